package entra

import (
	"slices"
	"strings"
)

// permission is a delegated permission of Graph as the consent pages show it.
type permission struct {
	name  string
	title string
	admin bool // only an administrator may grant it (12)
}

// permissions are the delegated ones that the simulated Graph has (12). User.Read.All
// and User.ReadBasic.All are there for the directory rules of graphapi.
func permissions() []permission {
	return []permission{
		{"Calendars.Read", "Read your calendars", false},
		{"Calendars.Read.Shared", "Read calendars you can access", false},
		{"Calendars.ReadBasic", "Read basic details of your calendars", false},
		{"Calendars.ReadWrite", "Have full access to your calendars", false},
		{"Calendars.ReadWrite.Shared", "Read and write to your and shared calendars", false},
		{"Mail.Send", "Send mail as you", false},
		{"MailboxSettings.Read", "Read your mailbox settings", false},
		{"MailboxSettings.ReadWrite", "Read and write to your mailbox settings", false},
		{"Place.Read.All", "Read all company places", true},
		{"User.Read", "Sign you in and read your profile", false},
		{"User.Read.All", "Read all users' full profiles", true},
		{"User.ReadBasic.All", "Read all users' basic profiles", false},
		{"email", "View your email address", false},
		{"offline_access", "Maintain access to data you have given it access to", false},
		{"openid", "Sign you in", false},
		{"profile", "View your basic profile", false},
	}
}

// permissionOf finds a permission whatever its letters' case.
func permissionOf(name string) (permission, bool) {
	all := permissions()
	at := slices.IndexFunc(all, func(p permission) bool { return strings.EqualFold(p.name, name) })
	if at < 0 {
		return permission{}, false
	}
	return all[at], true
}

// isOIDC tells the scopes that say what comes beside an access token.
func isOIDC(name string) bool {
	return name == "openid" || name == "profile" || name == "email" || name == "offline_access"
}

// asked is a scope parameter, read.
type asked struct {
	raw   string
	names []string // as permissions spells them, in order, once each
	all   bool     // Graph's .default: what the registration declares or was granted
	full  bool     // Graph's were spelled as addresses, so the answer spells them so
}

func (a asked) has(name string) bool { return slices.Contains(a.names, name) }

// graph are the names without those of OpenID Connect.
func (a asked) graph() []string {
	return slices.DeleteFunc(slices.Clone(a.names), isOIDC)
}

// parseScope reads a scope parameter of the authorize, adminconsent and token
// endpoints. It returns an AADSTS number for one that Entra refuses: several
// resources, another resource than Graph, a name that Graph does not have, .default
// beside names.
func parseScope(value string) (asked, int) {
	a := asked{raw: value}
	fields := strings.Fields(value)
	if len(fields) == 0 {
		return a, 900144
	}
	for _, field := range fields {
		name, number := a.read(field)
		if number != 0 {
			return a, number
		}
		if name != "" && !a.has(name) {
			a.names = append(a.names, name)
		}
	}
	if a.all && len(a.graph()) > 0 {
		return a, 70011
	}
	return a, 0
}

// read reads one word: a short name, or a resource and a name.
func (a *asked) read(field string) (string, int) {
	name, graph := field, false
	for _, resource := range []string{Graph + "/", GraphApp + "/"} {
		if len(field) > len(resource) && strings.EqualFold(field[:len(resource)], resource) {
			name, graph = strings.TrimPrefix(field[len(resource):], "/"), true
		}
	}
	if !graph && strings.Contains(field, "/") {
		return "", 500011
	}
	if name == ".default" && graph {
		a.all, a.full = true, true
		return "", 0
	}
	p, known := permissionOf(name)
	if !known || graph && isOIDC(p.name) {
		return "", 70011
	}
	a.full = a.full || graph
	return p.name, 0
}

// spell writes granted names as the request spelled them. offline_access is not
// named; it shows by the refresh token.
func (a asked) spell(names []string) string {
	var out []string
	for _, n := range names {
		switch {
		case n == "offline_access":
		case isOIDC(n) || !a.full:
			out = append(out, n)
		default:
			out = append(out, Graph+"/"+n)
		}
	}
	return strings.Join(out, " ")
}

// union joins two lists, sorted, each name once.
func union(a, b []string) []string {
	all := append(slices.Clone(a), b...)
	slices.Sort(all)
	return slices.Compact(all)
}
