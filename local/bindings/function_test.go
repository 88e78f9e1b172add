package bindings

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

func folderRules() []rule {
	name := regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_-]{0,127}$`)
	return []rule{
		{"contract 3.1", "a folder's name is a function's, unique whatever its case, not host", func(all tree) []string {
			var f faults
			seen := map[string]string{}
			for _, n := range all.names() {
				if !name.MatchString(n) || strings.EqualFold(n, "host") {
					f.add("%s", n)
				}
				if other, ok := seen[strings.ToLower(n)]; ok {
					f.add("%s and %s", n, other)
				}
				seen[strings.ToLower(n)] = n
			}
			return f
		}, map[string]change{
			"begins with a digit": renamed("Health", "1Health"), "host": renamed("Health", "Host"), "a dot": renamed("Health", "He.alth"),
			"too long": renamed("Health", strings.Repeat("a", 129)), "twice": doubled("Health", "HEALTH"),
		}},
		{"contract 2.1, 3.1", "no web path can be an envelope's: the prefix is not empty and no function is called like it, or like what the host keeps for itself", func(all tree) []string {
			var f faults
			prefix, _ := all.at("extensions/http/routePrefix").(string)
			if prefix == "" {
				f.add("no prefix")
			}
			for _, n := range all.names() {
				for _, taken := range []string{prefix, "admin", "runtime"} {
					if strings.EqualFold(n, taken) {
						f.add("function %s", n)
					}
				}
			}
			return f
		}, map[string]change{
			"no prefix": inHost("extensions/http/routePrefix", ""), "called like the prefix": renamed("MailboxTask", "Api"), "admin": renamed("MailboxTask", "admin"),
		}},
		{"contract 3.3", "a function.json has bindings and nothing else: no retry, no switch, no script", func(all tree) []string {
			var f faults
			for _, n := range all.names() {
				doc, _ := all.functions[n].(map[string]any)
				for key := range doc {
					if key != "bindings" {
						f.add("%s: %s", n, key)
					}
				}
			}
			return f
		}, map[string]change{
			"retry":    in("TokenKeepAlive", "retry", map[string]any{"strategy": "fixedDelay"}),
			"disabled": in("Health", "disabled", false), "scriptFile": in("Health", "scriptFile", "handler"),
		}},
	}
}

// members are what a binding of each type may have here.
var members = map[string][]string{
	"httpTrigger":       {"type", "direction", "name", "authLevel", "methods", "route"},
	"http":              {"type", "direction", "name"},
	"timerTrigger":      {"type", "direction", "name", "schedule", "useMonitor", "runOnStartup"},
	"serviceBusTrigger": {"type", "direction", "name", "queueName", "connection", "isSessionsEnabled", "cardinality", "dataType"},
}

func bindingRules() []rule {
	name := regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9]{0,127}$`)
	return []rule{
		{"contract 3.1", "a binding has type, direction and name, the name unique and without underscore", func(all tree) []string {
			var f faults
			for _, n := range all.names() {
				seen := map[string]bool{}
				for _, b := range all.bindings(n) {
					if !name.MatchString(b.text("name")) || seen[strings.ToLower(b.text("name"))] {
						f.add("%s: name %q", n, b.text("name"))
					}
					seen[strings.ToLower(b.text("name"))] = true
					want := "in"
					if b.text("type") == "http" {
						want = "out"
					}
					if b.text("direction") != want {
						f.add("%s: %s has direction %q", n, b.text("type"), b.text("direction"))
					}
				}
			}
			return f
		}, map[string]change{
			"no name": in("Health", "0/name", nil), "underscore": in("Health", "0/name", "the_req"), "twice": in("Health", "1/name", "REQ"),
			"no direction": in("CalendarWrite", "0/direction", nil), "the wrong direction": in("Health", "1/direction", "in"), "inout": in("Health", "0/direction", "inout"),
		}},
		{"contract 3.1", "a function has exactly one trigger", func(all tree) []string {
			var f faults
			for _, n := range all.names() {
				triggers := 0
				for _, b := range all.bindings(n) {
					if strings.HasSuffix(strings.ToLower(b.text("type")), "trigger") {
						triggers++
					}
				}
				if triggers != 1 {
					f.add("%s has %d", n, triggers)
				}
			}
			return f
		}, map[string]change{
			"none": in("TokenKeepAlive", "0/type", "http"),
			"two":  in("TokenKeepAlive", "-", map[string]any{"type": "timerTrigger", "direction": "in", "name": "second"}),
		}},
		{"contract 2.2", "a web function is pure HTTP, one trigger in and one http out, or else it gets envelopes; others have no outputs", func(all tree) []string {
			var f faults
			for _, n := range all.names() {
				var types []string
				for _, b := range all.bindings(n) {
					types = append(types, b.text("type"))
				}
				want := []string{"httpTrigger", "http"}
				if !slices.Contains(types, "httpTrigger") {
					want = types[:min(len(types), 1)]
				}
				if !slices.Equal(types, want) {
					f.add("%s: %v", n, types)
				}
			}
			return f
		}, map[string]change{
			"no http out": func(all tree) {
				doc := all.functions["Health"].(map[string]any)
				doc["bindings"] = doc["bindings"].([]any)[:1]
			},
			"another out":            in("Health", "-", map[string]any{"type": "serviceBus", "direction": "out", "name": "next"}),
			"a queue function's out": in("BookingIntake", "-", map[string]any{"type": "serviceBus", "direction": "out", "name": "next"}),
		}},
		{"contract 3.3", "a binding has only members that are known here, since misspelt ones pass the schema", func(all tree) []string {
			var f faults
			for _, n := range all.names() {
				for _, b := range all.bindings(n) {
					known, ok := members[b.text("type")]
					if !ok {
						f.add("%s: type %q", n, b.text("type"))
					}
					for _, key := range slices.Sorted(maps.Keys(b)) {
						if !slices.Contains(known, key) {
							f.add("%s: %s", n, key)
						}
					}
				}
			}
			return f
		}, map[string]change{
			"misspelt": in("CalendarWrite", "0/isSessionEnabled", true), "letter case": in("CalendarWrite", "0/datatype", "binary"),
			"another trigger": in("CalendarWrite", "0/type", "queueTrigger"), "autoComplete": in("CalendarWrite", "0/autoCompleteMessages", false),
		}},
	}
}

func queueRules() []rule {
	each := func(check func(f *faults, all tree, name string, b binding)) func(tree) []string {
		return func(all tree) []string {
			var f faults
			for name, b := range all.triggers("serviceBusTrigger") {
				check(&f, all, name, b)
			}
			return f
		}
	}
	return []rule{
		{"contract 2.4", "dataType is binary: a JSON body would overwrite the metadata", each(func(f *faults, _ tree, name string, b binding) {
			if b.text("dataType") != "binary" {
				f.add("%s: %q", name, b.text("dataType"))
			}
		}), map[string]change{
			"string": in("CalendarWrite", "0/dataType", "string"), "absent": in("BookingIntake", "0/dataType", nil), "stream": in("MailboxTask", "0/dataType", "stream"),
		}},
		{"contract 2.4, write-path 1", "one message per call", each(func(f *faults, _ tree, name string, b binding) {
			if b.text("cardinality") != "one" {
				f.add("%s: %q", name, b.text("cardinality"))
			}
		}), map[string]change{"many": in("CalendarWrite", "0/cardinality", "many"), "left out": in("CalendarWrite", "0/cardinality", nil)}},
		{"contract 3.2", "isSessionsEnabled is what the queue requires (infra/resources.json); a dead-letter queue has no sessions", each(func(f *faults, all tree, name string, b binding) {
			queue, dead := isDeadLetter(b.text("queueName"))
			if got, ok := b["isSessionsEnabled"].(bool); !ok || got != (all.queues[queue] && !dead) {
				f.add("%s: %v", name, b["isSessionsEnabled"])
			}
		}), map[string]change{
			"off": in("CalendarWrite", "0/isSessionsEnabled", false), "on": in("BookingIntake", "0/isSessionsEnabled", true), "left out": in("BookingIntake", "0/isSessionsEnabled", nil),
			"text": in("CalendarWrite", "0/isSessionsEnabled", "true"), "dead letters": in("DeadLetterDeliveries", "0/isSessionsEnabled", true),
			"the queue has changed": func(all tree) { all.queues["bookings"] = true },
		}},
		{"contract 3.2", "the queue is one of infra/resources.json, or the dead letters of one", each(func(f *faults, all tree, name string, b binding) {
			queue, _ := isDeadLetter(b.text("queueName"))
			if _, ok := all.queues[queue]; !ok {
				f.add("%s: %q", name, b.text("queueName"))
			}
		}), map[string]change{
			"unknown": in("CalendarWrite", "0/queueName", "delivery"), "none": in("CalendarWrite", "0/queueName", nil),
			"another spelling of dead letters": in("DeadLetterBookings", "0/queueName", "bookings/$DeadLetterQueue"), "a setting": in("CalendarWrite", "0/queueName", "%QUEUE%"),
		}},
		{"design, Functions", "whoever reads a queue leaves its dead letters to a function, and one function reads each", func(all tree) []string {
			var f faults
			readers := map[string]int{}
			for _, b := range all.triggers("serviceBusTrigger") {
				readers[b.text("queueName")]++
			}
			for queue, n := range readers {
				if _, dead := isDeadLetter(queue); n != 1 || !dead && readers[queue+"/$deadletterqueue"] != 1 {
					f.add("%s", queue)
				}
			}
			return f
		}, map[string]change{
			"nobody reads them": func(all tree) { delete(all.functions, "DeadLetterTasks") }, "two read one": doubled("CalendarWrite", "CalendarWriteToo"),
		}},
		{"contract 3.2", "the connection is SERVICEBUS, a setting or the beginning of several", each(func(f *faults, all tree, name string, b binding) {
			_, text := all.settings["SERVICEBUS"]
			_, identity := all.settings["SERVICEBUS__fullyQualifiedNamespace"]
			if b.text("connection") != "SERVICEBUS" || !text || !identity {
				f.add("%s: %q", name, b.text("connection"))
			}
		}), map[string]change{
			"another": in("CalendarWrite", "0/connection", "ServiceBusConnection"), "none": in("CalendarWrite", "0/connection", nil),
			"the setting is gone": func(all tree) { delete(all.settings, "SERVICEBUS__fullyQualifiedNamespace") },
		}},
	}
}

func timerRules() []rule {
	each := func(check func(f *faults, all tree, name string, b binding)) func(tree) []string {
		return func(all tree) []string {
			var f faults
			for name, b := range all.triggers("timerTrigger") {
				check(&f, all, name, b)
			}
			return f
		}
	}
	return []rule{
		{"contract 3.2", "a schedule has six fields, or is a setting that has", each(func(f *faults, all tree, name string, b binding) {
			schedule := b.text("schedule")
			if setting, ok := strings.CutPrefix(schedule, "%"); ok {
				setting, ok = strings.CutSuffix(setting, "%")
				if schedule = all.settings[setting]; !ok || schedule == "" {
					f.add("%s: %s is no setting of the sample", name, b.text("schedule"))
				}
			}
			if err := sixFields(schedule); err != nil {
				f.add("%s: %v", name, err)
			}
		}), map[string]change{
			"five fields": in("TokenKeepAlive", "0/schedule", "0 * * * *"), "an interval": in("TokenKeepAlive", "0/schedule", "01:00:00"), "none": in("TokenKeepAlive", "0/schedule", nil),
			"minute 60": in("TokenKeepAlive", "0/schedule", "0 60 * * * *"), "words": in("TokenKeepAlive", "0/schedule", "0 0 every * * *"), "step 0": in("TokenKeepAlive", "0/schedule", "0 */0 * * * *"),
			"another setting": in("DownSyncSchedule", "0/schedule", "%SCHEDULE%"), "half a setting": in("DownSyncSchedule", "0/schedule", "%DOWNSYNC_SCHEDULE"),
			"the setting's value": func(all tree) { all.settings["DOWNSYNC_SCHEDULE"] = "*/30 * * * *" },
		}},
		{"contract 3.2", "a timer is monitored and never runs because a host starts", each(func(f *faults, _ tree, name string, b binding) {
			if b["useMonitor"] != true || b["runOnStartup"] != false {
				f.add("%s", name)
			}
		}), map[string]change{"at start": in("TokenKeepAlive", "0/runOnStartup", true), "unmonitored": in("TokenKeepAlive", "0/useMonitor", false)}},
	}
}

// sixFields checks an NCRONTAB of numbers: {second} {minute} {hour} {day} {month}
// {day-of-week}. Names of months and days are not used here.
func sixFields(schedule string) error {
	fields := strings.Fields(schedule)
	bounds := [][2]int{{0, 59}, {0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 6}}
	if len(fields) != len(bounds) {
		return fmt.Errorf("%q has %d fields", schedule, len(fields))
	}
	part := regexp.MustCompile(`^(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/([1-9]\d?))?$`)
	for i, field := range fields {
		for item := range strings.SplitSeq(field, ",") {
			m := part.FindStringSubmatch(item)
			if m == nil {
				return fmt.Errorf("%q: field %d", schedule, i+1)
			}
			for _, number := range m[1:] {
				var n int
				if _, err := fmt.Sscan(number, &n); err == nil && (n < bounds[i][0] && number != m[3] || n > bounds[i][1]) {
					return fmt.Errorf("%q: field %d is out of its bounds", schedule, i+1)
				}
			}
		}
	}
	return nil
}
