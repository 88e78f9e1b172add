package bindings

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// hostValues are those that are decided, with the section that does. Nil is a member
// that must not be there.
var hostValues = []struct {
	section, says, path string
	value               any
	bad                 any
}{
	{"contract 4.2", "the version of the format", "version", "2.0", "1.0"},
	{"write-path 1", "functionTimeout: a call that is timed out kills all others of its process", "functionTimeout", "00:05:00", "00:30:00"},
	{"contract 1.4", "the binary's name, as cmd/package writes it", "customHandler/description/defaultExecutablePath", "handler", "handler.exe"},
	{"contract 1.4", "the working directory is the package's", "customHandler/description/workingDirectory", "", "bin"},
	{"contract 2.2", "web requests are forwarded", "customHandler/enableForwardingHttpRequest", true, false},
	{"contract 2.2", "and not proxied: hosts of 2024 do not know it", "customHandler/enableProxyingHttpRequest", nil, true},
	{"contract 2.2", "no routes without a function.json", "customHandler/http", nil, map[string]any{"routes": []any{}}},
	{"contract 1.2", "the port is the host's choice", "customHandler/port", nil, 5000.0},
	{"write-path 1", "the route prefix stays api", "extensions/http/routePrefix", "api", "v1"},
	{"contract 3.3", "no retry: it would apply to web and queue functions too", "retry", nil, map[string]any{"strategy": "fixedDelay"}},
	{"contract 3.3", "no list of allowed functions", "functions", nil, []any{"Health"}},
	{"contract 4.2", "Service Bus comes from the bundle", "extensionBundle/id", "Microsoft.Azure.Functions.ExtensionBundle", "Microsoft.Azure.Functions.ExtensionBundle.Preview"},
	{"contract 4.2", "of version 4, which knows sessions and metadata", "extensionBundle/version", "[4.*, 5.0.0)", "[3.*, 4.0.0)"},
	{"write-path 1", "serviceBus: sessions at a time", "extensions/serviceBus/maxConcurrentSessions", 64.0, 8.0},
	{"write-path 1", "serviceBus: calls at a time", "extensions/serviceBus/maxConcurrentCalls", 32.0, 16.0},
	{"write-path 1", "serviceBus: an idle session gives its slot back", "extensions/serviceBus/sessionIdleTimeout", "00:00:01", "00:01:00"},
	{"write-path 1", "serviceBus: locks are renewed from the accept of the session on", "extensions/serviceBus/maxAutoLockRenewalDuration", "23:59:59", "00:05:00"},
	{"write-path 1", "serviceBus: nothing is fetched in advance", "extensions/serviceBus/prefetchCount", 0.0, 100.0},
	{"contract 5", "serviceBus: the host completes", "extensions/serviceBus/autoCompleteMessages", true, false},
	{"contract 4.2", "serviceBus: one call per session, for the order", "extensions/serviceBus/maxConcurrentCallsPerSession", nil, 2.0},
	{"operate, alerts", "lines of the program are kept: they come as Information, errors among them", "logging/logLevel/default", "Information", "Warning"},
	{"operate, alerts", "no request is left out by sampling: calbridge-timers and calbridge-failed count them", "logging/applicationInsights/samplingSettings/excludedTypes", "Request;Exception", "Exception"},
	{"contract 4.2", "numbers are not changed by the host itself", "concurrency", nil, map[string]any{"dynamicConcurrencyEnabled": true}},
}

func hostRules() []rule {
	var all []rule
	for _, v := range hostValues {
		bad := map[string]change{fmt.Sprint(v.bad): inHost(v.path, v.bad)}
		if v.value != nil {
			bad["left out"] = inHost(v.path, nil)
		}
		all = append(all, rule{v.section, v.says, func(all tree) []string {
			if got := all.at(v.path); got != v.value {
				return []string{fmt.Sprintf("%s is %v, want %v", v.path, got, v.value)}
			}
			return nil
		}, bad})
	}
	return append(all,
		rule{"contract 1.4", "the handler gets no arguments, the host would not quote them", func(all tree) []string {
			if list, ok := all.at("customHandler/description/arguments").([]any); !ok || len(list) > 0 {
				return []string{fmt.Sprint(list)}
			}
			return nil
		}, map[string]change{"one": inHost("customHandler/description/arguments", []any{"--x"})}},
		rule{"write-path 1", "extensions are http and serviceBus, with what is decided and nothing else", func(all tree) []string {
			var f faults
			decided := map[string]bool{}
			for _, v := range hostValues {
				if rest, ok := strings.CutPrefix(v.path, "extensions/"); ok && v.value != nil {
					decided[rest] = true
				}
			}
			extensions, _ := all.at("extensions").(map[string]any)
			for name, section := range extensions {
				members, _ := section.(map[string]any)
				for _, key := range slices.Sorted(maps.Keys(members)) {
					if !decided[name+"/"+key] {
						f.add("%s/%s", name, key)
					}
				}
			}
			return f
		}, map[string]change{
			"of before": inHost("extensions/serviceBus/messageHandlerOptions", map[string]any{"maxConcurrentCalls": 1.0}), "a batch": inHost("extensions/serviceBus/maxMessageBatchSize", 100.0),
			"another": inHost("extensions/queues/batchSize", 1.0),
		}},
	)
}
