package infra_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

func notFound() string {
	return `Not Found({"error":{"code":"Request_ResourceNotFound","message":"Resource does not exist or one of its queried reference-property objects are not present."}})`
}

// rest is Graph.
func (c *cloud) rest(options map[string][]string) (result any, failure string) {
	path, ok := strings.CutPrefix(one(options, "--uri"), c.Endpoint+"/v1.0")
	method := one(options, "--method")
	if site, ok := between(one(options, "--uri"), "", "/config/configreferences/appsettings/refresh?api-version=2022-03-01"); ok && method == "POST" {
		c.Refreshed = append(c.Refreshed, site)
		return map[string]any{"value": []any{}}, ""
	}
	switch {
	case !ok:
		return nil, "the address is none of this cloud's Graph"
	case c.SignedOut:
		return nil, "Please run 'az login' to setup account."
	case c.Denied && method != "GET":
		return nil, `Forbidden({"error":{"code":"Authorization_RequestDenied","message":"Insufficient privileges to complete the operation."}})`
	}
	var body map[string]any
	if method != "GET" {
		file, ok := strings.CutPrefix(one(options, "--body"), "@")
		if !ok || !slices.Contains(options["--headers"], "Content-Type=application/json") {
			return nil, "Bad Request: a body from a file and its type are wanted"
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err.Error()
		}
		if err := json.Unmarshal(b, &body); err != nil {
			return nil, fmt.Sprintf(`Bad Request({"error":{"code":"BadRequest","message":%q}})`, err)
		}
	}
	create := slices.Contains(options["--headers"], "Prefer=create-if-missing")
	if key, ok := between(path, "/servicePrincipals(appId='", "')"); ok && method == "GET" {
		return find(c.Principals, "appId", key)
	}
	if path == "/servicePrincipals" && method == "POST" {
		body["id"] = fmt.Sprintf("principal-%d", len(c.Principals))
		c.Principals = append(c.Principals, body)
		return body, ""
	}
	rest, ok := strings.CutPrefix(path, "/applications")
	if !ok {
		return nil, notFound()
	}
	return c.applications(method, rest, body, create)
}

func (c *cloud) applications(method, path string, body map[string]any, create bool) (result any, failure string) {
	if key, ok := between(path, "(uniqueName='", "')"); ok {
		app, failure := find(c.Apps, "uniqueName", key)
		switch {
		case method == "GET" || failure != "" && !create:
			return app, failure
		case failure == "":
			return nil, merge(app.(map[string]any), body)
		}
		added := map[string]any{"id": fmt.Sprintf("object-%d", len(c.Apps)), "appId": fmt.Sprintf("55555555-5555-4555-8555-55555555555%d", len(c.Apps)),
			"uniqueName": key, "web": map[string]any{"redirectUris": []any{}}, "groupMembershipClaims": nil, "signInAudience": "AzureADMyOrg", "requiredResourceAccess": []any{}}
		if body["displayName"] == nil {
			return nil, `Bad Request({"error":{"code":"Request_BadRequest","message":"displayName is required"}})`
		}
		if failure := merge(added, body); failure != "" {
			return nil, failure
		}
		c.Apps = append(c.Apps, added)
		return added, ""
	}
	id, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	app, failure := find(c.Apps, "id", id)
	switch {
	case failure != "":
		return nil, failure
	case rest == "" && method == "PATCH":
		return nil, merge(app.(map[string]any), body)
	case rest == "federatedIdentityCredentials" && method == "GET":
		all := []any{}
		for _, f := range c.Credentials[id] {
			all = append(all, f)
		}
		return map[string]any{"value": all}, ""
	}
	name, ok := between(rest, "federatedIdentityCredentials(name='", "')")
	if !ok || method != "PATCH" || !create {
		return nil, notFound()
	}
	if old, failure := find(c.Credentials[id], "name", name); failure == "" {
		return nil, merge(old.(map[string]any), body)
	}
	body["name"] = name
	if c.Credentials == nil {
		c.Credentials = map[string][]map[string]any{}
	}
	c.Credentials[id] = append(c.Credentials[id], body)
	return body, ""
}

// merge is PATCH: members that are named are replaced, those of web one by one.
func merge(app, body map[string]any) (failure string) {
	for name, value := range body {
		switch name {
		case "displayName", "signInAudience", "groupMembershipClaims", "requiredResourceAccess", "issuer", "subject", "audiences", "description":
			app[name] = value
		case "web":
			for member, v := range value.(map[string]any) {
				app["web"].(map[string]any)[member] = v
			}
		default:
			return fmt.Sprintf(`Bad Request({"error":{"code":"Request_BadRequest","message":"Invalid property '%s'."}})`, name)
		}
	}
	return ""
}

func find(all []map[string]any, member, value string) (any, string) {
	for _, one := range all {
		if one[member] == value {
			return one, ""
		}
	}
	return nil, notFound()
}

func between(s, before, after string) (string, bool) {
	rest, ok := strings.CutPrefix(s, before)
	inner, end := strings.CutSuffix(rest, after)
	return inner, ok && end
}
