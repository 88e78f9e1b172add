package host

import (
	"encoding/base64"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// anonymousIdentity is the only entry of Identities.
const anonymousIdentity = `{"AuthenticationType":null,"IsAuthenticated":false,"Actor":null,"BootstrapContext":null,` +
	`"Claims":[],"Label":null,"Name":null,"NameClaimType":"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",` +
	`"RoleClaimType":"http://schemas.microsoft.com/ws/2008/06/identity/claims/role"}`

// wrap calls a function that is not forwarded with an envelope, and answers with its
// http output (§2.2, §2.5).
func (in *instance) wrap(w http.ResponseWriter, req *incoming, f *function) {
	res, err := in.invoke(f, req.envelope(f, sys(f.name, in.h.clock.now(), uuid.New())))
	if err == nil {
		var r *reply
		if r, err = httpOutput(f, res); err == nil {
			copyReply(w, req.r.Method, r)
			return
		}
		in.h.print(Error, "Function."+f.name, "", err.Error())
	}
	write(w, http.StatusInternalServerError, nil)
}

// envelope is the body of the call.
func (req *incoming) envelope(f *function, sys string) []byte {
	names, headers := req.allHeaders()
	data, body := &object{}, string(req.body)
	data.add("Url", quote(req.scheme+"://"+req.host+req.path+req.rawQuery))
	data.add("Method", quote(req.r.Method))
	query, last := &object{}, &object{}
	for _, p := range req.query {
		query.add(p.name, quote(p.joined()))
		last.add(p.name, quote(p.values[len(p.values)-1]))
	}
	data.add("Query", query.String())
	arrays, joined := &object{}, &object{}
	for _, name := range names {
		quoted := make([]string, len(headers[name]))
		for i, v := range headers[name] {
			quoted[i] = quote(v)
		}
		arrays.add(name, "["+strings.Join(quoted, ",")+"]")
		joined.add(name, quote(strings.Join(headers[name], ",")))
	}
	data.add("Headers", arrays.String())
	params := &object{}
	for _, v := range req.values {
		params.add(v.name, quote(v.value))
	}
	data.add("Params", params.String())
	data.add("Identities", "["+anonymousIdentity+"]")
	if len(req.body) > 0 {
		if isBinary(req.r.Header.Get("Content-Type")) {
			data.add("Body", `"`+base64.StdEncoding.EncodeToString(req.body)+`"`)
		} else {
			data.add("Body", quote(body))
		}
	}
	return envelope(f.trigger.Name, data.String(), req.metadata(body, last.String(), joined.String(), sys))
}

// metadata holds query, route values and body members first: one of them that is
// called like an entry of the host's takes its place.
func (req *incoming) metadata(body, query, headers, sys string) *object {
	meta := &object{}
	for _, p := range req.query {
		if !strings.EqualFold(p.name, "code") && !strings.HasSuffix(strings.ToLower(p.name), "trigger") {
			meta.set(p.name, twice(p.joined()))
		}
	}
	for _, v := range req.values {
		meta.set(v.name, twice(v.value))
	}
	for _, m := range bodyMembers(body) {
		if !slices.ContainsFunc(req.values, func(v routeValue) bool { return strings.EqualFold(v.name, m.name) }) {
			meta.set(m.name, m.json)
		}
	}
	for _, own := range []member{{"Query", query}, {"Headers", headers}} {
		if !meta.has(own.name) {
			meta.add(own.name, own.json)
		}
	}
	if meta.has("sys") {
		meta.add("$sys", sys)
	} else {
		meta.add("sys", sys)
	}
	return meta
}

// allHeaders lists every header as ASP.NET has them: the general ones in order, those
// of the body last.
func (req *incoming) allHeaders() ([]string, http.Header) {
	headers := req.r.Header.Clone()
	headers["Host"] = []string{req.host}
	var names, content []string
	for name := range headers {
		if name == "Content-Type" || name == "Content-Length" {
			content = append(content, name)
		} else {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	slices.Sort(content)
	slices.Reverse(content)
	if _, ok := headers["Content-Length"]; !ok && req.r.ContentLength > 0 {
		headers["Content-Length"] = []string{strconv.FormatInt(req.r.ContentLength, 10)}
		content = append(content, "Content-Length")
	}
	return append(names, content...), headers
}

// isBinary reports media types whose bodies arrive in base64.
func isBinary(contentType string) bool {
	media, _, _ := mime.ParseMediaType(contentType)
	return media == "application/octet-stream" || strings.HasPrefix(media, "multipart/")
}
