package bindings

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// designed is design.md's table of functions: key level, route and methods of the web
// functions. Only they say post.
var designed = map[string]struct {
	level, route string
	methods      []string
}{
	"Health":             {"anonymous", "health", []string{"get"}},
	"Bookings":           {"function", "bookings", []string{"post"}},
	"Links":              {"function", "links", []string{"post"}},
	"Organizations":      {"function", "organizations/{organization}/{resource?}/{id?}/{action?}", []string{"get", "put", "post", "patch", "delete"}},
	"Operator":           {"admin", "operator/{resource}/{id?}/{action?}", []string{"get", "post"}},
	"Feed":               {"anonymous", "feeds/{token}", []string{"get", "head"}},
	"ConsentStart":       {"anonymous", "consent/start", []string{"get", "post"}},
	"ConsentCallback":    {"anonymous", "consent/callback", []string{"get"}},
	"ConnectStart":       {"anonymous", "connect/start", []string{"get", "post"}},
	"ConnectCallback":    {"anonymous", "connect/callback", []string{"get"}},
	"Portal":             {"anonymous", "portal/{page?}/{id?}/{action?}", []string{"get", "post"}},
	"GraphNotifications": {"anonymous", "graph/notifications", []string{"post"}},
}

// queues is the rest of that table.
var queues = map[string]string{
	"BookingIntake": "bookings", "CalendarWrite": "deliveries", "MailboxTask": "mailbox-tasks", "DeadLetterBookings": "bookings/$deadletterqueue",
	"DeadLetterDeliveries": "deliveries/$deadletterqueue", "DeadLetterTasks": "mailbox-tasks/$deadletterqueue",
}

var timers = map[string]string{"DownSyncSchedule": "%DOWNSYNC_SCHEDULE%", "SubscriptionRenewal": "0 0 * * * *", "TokenKeepAlive": "0 0 * * * *"}

func routeRules() []rule {
	each := func(check func(f *faults, name string, b binding)) func(tree) []string {
		return func(all tree) []string {
			var f faults
			for name, b := range all.triggers("httpTrigger") {
				check(&f, name, b)
			}
			return f
		}
	}
	eachParameter := func(check func(f *faults, name string, s segment)) func(tree) []string {
		return each(func(f *faults, name string, b binding) {
			segments, _ := parseRoute(b.text("route"))
			for _, s := range segments {
				if s.parameter != "" {
					check(f, name, s)
				}
			}
		})
	}
	// portal puts a parameter in the place of a page.
	portal := func(parameter string) change { return in("Portal", "0/route", "portal/"+parameter) }
	return []rule{
		{"design, Functions", "every function is in the table, with its trigger", func(all tree) []string {
			var f faults
			for _, n := range all.names() {
				for _, b := range all.bindings(n)[:1] {
					_, web := designed[n]
					ok := b.text("type") == "httpTrigger" && web ||
						b.text("type") == "serviceBusTrigger" && queues[n] != "" && b.text("queueName") == queues[n] ||
						b.text("type") == "timerTrigger" && timers[n] != "" && b.text("schedule") == timers[n]
					if !ok {
						f.add("%s: %v", n, b)
					}
				}
			}
			return f
		}, map[string]change{
			"not there": renamed("Health", "Healthy"), "another queue": in("CalendarWrite", "0/queueName", "bookings"), "another schedule": in("TokenKeepAlive", "0/schedule", "0 5 * * * *"),
			"a queue's name on the web": doubled("Health", "MailboxTask"),
		}},
		{"design, Functions", "authLevel is written out and that of the table", each(func(f *faults, name string, b binding) {
			if b.text("authLevel") != designed[name].level {
				f.add("%s: %q", name, b.text("authLevel"))
			}
		}), map[string]change{
			"open": in("Organizations", "0/authLevel", "anonymous"), "left out": in("Bookings", "0/authLevel", nil), "function for admin": in("Operator", "0/authLevel", "function"),
			"a key at the door": in("Portal", "0/authLevel", "function"),
		}},
		{"contract 2.1, guard 5", "methods are written out and those of the table, post only where it is needed", each(func(f *faults, name string, b binding) {
			if !slices.Equal(b.list("methods"), designed[name].methods) {
				f.add("%s: %v", name, b["methods"])
			}
		}), map[string]change{
			"all": in("Health", "0/methods", nil), "none": in("Health", "0/methods", []any{}), "post at a callback": in("ConnectCallback", "0/methods", []any{"get", "post"}),
			"upper case": in("Health", "0/methods", []any{"GET"}),
		}},
		{"design, Functions", "the route is that of the table, constraints aside", each(func(f *faults, name string, b binding) {
			segments, err := parseRoute(b.text("route"))
			var plain []string
			for _, s := range segments {
				plain = append(plain, s.String())
			}
			if got := strings.Join(plain, "/"); err != nil || got != designed[name].route {
				f.add("%s: %q, %v", name, got, err)
			}
		}), map[string]change{
			"left out": in("Health", "0/route", nil), "with the prefix": in("Health", "0/route", "api/health"), "a slash first": in("Health", "0/route", "/health"),
			"required": in("Portal", "0/route", "portal/{page:alpha}"),
		}},
		{"contract 3.2", "a route is one that ASP.NET reads: whole segments, braces in a regex doubled, a question mark last, no dots, no backslash", each(func(f *faults, name string, b binding) {
			if _, err := parseRoute(b.text("route")); err != nil {
				f.add("%s: %v", name, err)
			}
		}), map[string]change{
			"single braces": portal("{id:regex(^[a-z]{1,9}$)}"), "not closed": portal("{page:alpha"), "part of a segment": portal("x{page:alpha}"), "two in a segment": portal("{page:alpha}{id:alpha}"),
			"the same twice": portal("{id:alpha}/{id:alpha}"), "dots": in("Health", "0/route", "x/../health"), "a dot": in("Health", "0/route", "./health"), "a backslash": in("Health", "0/route", `health\x`),
			"two slashes": in("Health", "0/route", "health//x"), "a percent sign": in("Health", "0/route", "health%2e"), "optional before required": portal("{page:alpha?}/{id:alpha}"),
			"required after optional": portal("{page:alpha?}/x"), "no name": portal("{:alpha}"), "a default": portal("{page=x}"), "several constraints": portal("{page:alpha:length(1,3)}"),
			"bracket open": portal("{page:regex(^[a-z]+$}"), "question mark first": portal("{page?:alpha}"),
		}},
		{"contract 2.1, guard 3", "every parameter is constrained, by alpha or by a regex that is anchored at both ends", eachParameter(func(f *faults, name string, s segment) {
			if s.constraint != "alpha" && s.pattern() == "" {
				f.add("%s: {%s} %q", name, s.parameter, s.constraint)
			}
		}), map[string]change{
			"free": portal("{page?}"), "one of three free": portal("{page:alpha?}/{id?}/{action:alpha?}"), "a length is no constraint": portal("{page:length(1,64)?}"), "required is none": portal("{page:required}"),
			"open at the end": portal("{page:regex(^[a-z]*)?}"), "open at the beginning": portal("{page:regex([a-z]*$)?}"), "either of two": portal("{page:regex(^a$|^b)?}"),
		}},
		{"contract 2.1, guard 3", "no constraint lets a slash, a backslash, a dot segment, an escape or free text through", eachParameter(func(f *faults, name string, s segment) {
			for _, value := range s.through() {
				f.add("%s: {%s} takes %q", name, s.parameter, value)
			}
		}), map[string]change{
			"anything": portal("{page:regex(^.*$)?}"), "not a slash": portal("{page:regex(^[^/]*$)?}"), "dots": portal("{page:regex(^[a-z.]*$)?}"), "a backslash": portal(`{page:regex(^[a-z\\\\]*$)?}`),
			"blanks": portal(`{page:regex(^[a-z ]*$)?}`), "an escape": portal(`{page:regex(^[a-z%]*$)?}`), "words of any language": portal(`{page:regex(^\\p{{L}}*$)?}`), "an alternative": portal(`{page:regex(^[a-z]*$|^.*$)?}`),
		}},
		{"contract 2.1, guard 3", "no catch-all", eachParameter(func(f *faults, name string, s segment) {
			if s.catchAll {
				f.add("%s: {*%s}", name, s.parameter)
			}
		}), map[string]change{"free": portal("{*page}"), "constrained": portal("{*page:regex(^[a-z]*$)}"), "two stars": portal("{**page:alpha}")}},
		{"contract 3.2", "no two routes of one method are equal, and none is the host's own", func(all tree) []string {
			var f faults
			seen := map[string]string{}
			for name, b := range all.triggers("httpTrigger") {
				segments, _ := parseRoute(b.text("route"))
				for _, shape := range shapes(segments) {
					if first, _, _ := strings.Cut(shape, "/"); first == "admin" || first == "runtime" || first == "" || first == "{}" {
						f.add("%s: %s", name, shape)
					}
					for _, m := range b.list("methods") {
						if other, ok := seen[m+" "+shape]; ok && other != name {
							f.add("%s %s: %s and %s", m, shape, name, other)
						}
						seen[m+" "+shape] = name
					}
				}
			}
			return f
		}, map[string]change{
			"the same": in("ConsentStart", "0/route", "connect/start"), "in another case": in("ConsentStart", "0/route", "Connect/START"),
			"a parameter in the place of another": func(all tree) {
				in("Operator", "0/route", "x/{a:alpha}")(all)
				in("Portal", "0/route", "x/{b:alpha?}")(all)
			},
			"the host's": in("Operator", "0/route", "admin/{resource:alpha}"), "everything": in("Portal", "0/route", "{page:alpha?}"),
		}},
	}
}

// segment of a route template: a literal, or one parameter.
type segment struct {
	literal, parameter, constraint string
	optional, catchAll             bool
}

func (s segment) String() string {
	switch {
	case s.parameter == "":
		return s.literal
	case s.optional:
		return "{" + s.parameter + "?}"
	}
	return "{" + s.parameter + "}"
}

// pattern is the regex of a constraint, "" for one that is none or not anchored.
func (s segment) pattern() string {
	pattern, ok := strings.CutPrefix(s.constraint, "regex(")
	pattern, ok2 := strings.CutSuffix(pattern, ")")
	if !ok || !ok2 || !strings.HasPrefix(pattern, "^") || !strings.HasSuffix(pattern, "$") {
		return ""
	}
	return pattern
}

// through are dangerous values that a constraint takes. A pattern that Go does not
// read takes everything.
func (s segment) through() []string {
	pattern := s.pattern()
	if pattern == "" {
		return nil // another rule's, or alpha
	}
	re, err := regexp.Compile("(?i)" + strings.ReplaceAll(pattern, `\\`, `\`))
	if err != nil {
		return []string{err.Error()}
	}
	var out []string
	try := func(value string) {
		if re.MatchString(value) {
			out = append(out, value)
		}
	}
	for _, dots := range []string{".", "..", "...", "...."} {
		try(dots) // between others they lead nowhere
	}
	for _, bad := range []string{"/", `\`, "%", "?", "#", "\x00", " ", ";", ":", "*", "&", "+", "~", "é", "\u2044", "\uff0e\uff0e", "\n", "\r"} {
		for _, value := range []string{bad, "a" + bad + "a", bad + "a", bad + bad} {
			try(value)
		}
	}
	return out
}

// shapes are the paths that a route matches, each parameter as {}: optional ones there
// or not. Letter case does not count.
func shapes(segments []segment) []string {
	var out []string
	path := make([]string, 0, len(segments))
	for _, s := range segments {
		if s.optional {
			out = append(out, strings.Join(path, "/"))
		}
		if s.parameter != "" {
			path = append(path, "{}")
		} else {
			path = append(path, strings.ToLower(s.literal))
		}
	}
	return append(out, strings.Join(path, "/"))
}

var (
	literal   = regexp.MustCompile(`^[A-Za-z0-9-]+$`)
	parameter = regexp.MustCompile(`^(\**)([a-z]+)(?::([a-z]+(?:\(.*\))?))?(\?)?$`)
)

// parseRoute reads a template: the part of ASP.NET's syntax that routes here use.
func parseRoute(route string) ([]segment, error) {
	parts, err := splitRoute(route)
	if err != nil {
		return nil, err
	}
	var out []segment
	seen := map[string]bool{}
	for _, p := range parts {
		var s segment
		if inner, ok := strings.CutPrefix(p, "{"); ok {
			m := parameter.FindStringSubmatch(strings.TrimSuffix(inner, "}"))
			if m == nil || seen[m[2]] {
				return nil, fmt.Errorf("%s is no parameter, or there twice", p)
			}
			seen[m[2]] = true
			s = segment{parameter: m[2], constraint: m[3], optional: m[4] != "", catchAll: m[1] != ""}
			if name, arguments, ok := strings.Cut(s.constraint, "("); strings.Contains(name, ":") || ok && strings.Contains(arguments, "):") {
				return nil, fmt.Errorf("%s: several constraints are not used here", p)
			}
		} else if s.literal = p; !literal.MatchString(p) {
			return nil, fmt.Errorf("%q is neither a literal nor one parameter", p)
		}
		if len(out) > 0 && out[len(out)-1].optional && !s.optional {
			return nil, fmt.Errorf("%s stands after an optional one", p)
		}
		out = append(out, s)
	}
	return out, nil
}

// splitRoute cuts at slashes outside of braces, and makes doubled braces single.
func splitRoute(route string) ([]string, error) {
	var parts []string
	var part strings.Builder
	open := false
	for i := 0; i < len(route); i++ {
		c := route[i]
		doubled := open && i+1 < len(route) && (c == '{' || c == '}') && route[i+1] == c
		switch {
		case doubled:
			i++
			part.WriteByte(c)
		case c == '{' && open:
			return nil, errors.New("a brace inside a parameter is not doubled")
		case c == '/' && !open:
			parts = append(parts, part.String())
			part.Reset()
		default:
			open = c == '{' || open && c != '}'
			part.WriteByte(c)
		}
	}
	if open {
		return nil, errors.New("a parameter is not closed")
	}
	return append(parts, part.String()), nil
}
