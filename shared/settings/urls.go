package settings

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// loopback reports whether a host is this machine by its name alone.
func loopback(u *url.URL) bool {
	if strings.EqualFold(u.Hostname(), "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return err == nil && ip.IsLoopback()
}

// address parses an absolute URL with nothing in it but scheme, host and path,
// https, or http on loopback. problem is "" where it is one.
func address(text string) (u *url.URL, problem string) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, "must be an absolute https URL"
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(text, "#"):
		return nil, "must be a URL without user, query and fragment"
	case u.Scheme == "http" && !loopback(u):
		return nil, "must be https: http is allowed on loopback only"
	}
	return u, ""
}

func (r *reader) publicURL(name string) (text string, local bool) {
	text, ok := r.required(name)
	if !ok {
		return "", false
	}
	u, problem := address(text)
	switch {
	case problem != "":
		r.fault(name, "%s", problem)
		return "", false
	case strings.HasSuffix(u.Path, "/"):
		r.fault(name, "must not end with a slash")
	case u.Path == "/api" || strings.HasSuffix(u.Path, "/api"):
		r.fault(name, "must be given without /api")
	}
	return text, loopback(u)
}

// endpoint reads the origin of a Microsoft service.
func (r *reader) endpoint(name, absent string) string {
	text, given := r.get(name)
	if !given {
		return absent
	}
	u, problem := address(text)
	switch {
	case problem != "":
		r.fault(name, "%s", problem)
		return ""
	case u.Path != "" && u.Path != "/":
		r.fault(name, "must be scheme and host only, without a path")
	}
	return origin(u)
}

func (r *reader) origins(name string) []string {
	text, given := r.get(name)
	if !given {
		return nil
	}
	var list []string
	for item := range strings.SplitSeq(text, ",") {
		u, problem := address(strings.TrimSpace(item))
		if problem == "" && u.Path != "" {
			problem = "must be scheme and host only, without a path or a slash at the end"
		}
		if problem != "" {
			r.fault(name, "item %d %s", len(list)+1, problem)
		}
		list = append(list, origin(u))
	}
	return list
}

// origin is how a browser writes it: lower case, without a default port.
func origin(u *url.URL) string {
	if u == nil {
		return ""
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if port == "" || port == map[string]string{"http": "80", "https": "443"}[u.Scheme] {
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		return u.Scheme + "://" + host
	}
	return u.Scheme + "://" + net.JoinHostPort(host, port)
}
