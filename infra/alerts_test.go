package infra_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ruleTypes are the kinds of alerts.
var ruleTypes = []string{"Microsoft.Insights/metricAlerts", "Microsoft.Insights/scheduledQueryRules"}

// An alert that is off, or tells nobody, looks like one that never fires.
func TestEveryAlertIsOnAndTellsSomebody(t *testing.T) {
	rules := 0
	for _, file := range []string{"app/alerts-bus.bicep", "app/alerts-log.bicep", "app/health.bicep"} {
		for _, b := range blocks(t, file) {
			if !slices.Contains(ruleTypes, b.Of) {
				continue
			}
			rules++
			actions := b.value("actions")
			if b.value("enabled") != "true" || b.value("autoMitigate") != "true" || actions != "[{ actionGroupId: actionGroupId }]" && actions != "{ actionGroups: [actionGroupId] }" {
				t.Errorf("%s %s: enabled %s, actions %s", file, b.Symbol, b.value("enabled"), actions)
			}
		}
	}
	if rules != 10 {
		t.Errorf("%d rules were found", rules)
	}
	if got := strings.Count(of(t, "app/budget.bicep", "budget").Text, "contactGroups: [actionGroupId]"); got != 2 {
		t.Errorf("%d of two thresholds of the budget tell somebody", got)
	}
	if got := of(t, "core/action-group.bicep", "people").value("enabled"); got != "true" {
		t.Errorf("the action group: enabled %s", got)
	}
}

// The names are Azure's; the checker takes any text for them. A threshold per entity needs
// the entity's dimension, or the whole namespace is summed up.
func TestAlertsOfTheBusLookAtItsMetricsEntityByEntity(t *testing.T) {
	want := map[string][]string{ // loop, metric, entities, aggregation, threshold
		"deadLetters": {"", "'DeadletteredMessages'", "['*']", "'Maximum'", "0"},
		"waiting":     {"queue in served", "'ActiveMessages'", "[queue]", "'Minimum'", "waitingMessages"},
		"nearlyFull":  {"entity in entities", "'Size'", "[entity.name]", "'Maximum'", "entity.megabytes * mebibyte * fullPercent / 100"},
		"rejected":    {"queue in parked", "'ActiveMessages'", "[queue]", "'Maximum'", "0"},
	}
	got := map[string][]string{}
	for _, b := range blocks(t, "app/alerts-bus.bicep") {
		if !slices.Contains(ruleTypes, b.Of) {
			continue
		}
		loop := append(first(`\[for ([^:]+):`, b.Text), "")[0]
		metric, _, _ := strings.Cut(b.value("metricName"), " //")
		dimension := first(`dimensions: \[\{ name: 'EntityName', operator: 'Include', values: (\[.*?\]) \}\]`, b.Text)
		got[b.Symbol] = append([]string{loop, metric}, append(dimension, b.value("timeAggregation"), b.value("threshold"))...)
		if b.value("operator") != "'GreaterThan'" || b.value("scopes") != "[namespace.id]" || b.value("metricNamespace") != "'Microsoft.ServiceBus/namespaces'" {
			t.Errorf("%s: %s in %s of %s", b.Symbol, b.value("operator"), b.value("scopes"), b.value("metricNamespace"))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-meant +found)\n%s", diff)
	}
	bus := text(t, "app/alerts-bus.bicep")
	for _, line := range []string{"var fullPercent = 70\n", "var mebibyte = 1048576\n", "megabytes: q.properties.maxSizeInMegabytes }", "megabytes: t.properties.maxSizeInMegabytes }"} {
		if !strings.Contains(bus, line) {
			t.Errorf("app/alerts-bus.bicep lacks %q", line)
		}
	}
}

// What a rule measures and splits by are columns that its query puts out; each query is
// that of one rule. Lines of the log that they look for are of package handlers' tests.
func TestAlertsOfTheLogMeasureWhatTheirQueriesPutOut(t *testing.T) {
	want := map[string][]string{ // query, scope, aggregation, operator, threshold
		"failed":     {"failed", "[componentId]", "'Total'", "'GreaterThan'", "failures"},
		"errorLines": {"errors", "[componentId]", "'Total'", "'GreaterThan'", "errors"},
		"late":       {"late", "[componentId]", "'Maximum'", "'GreaterThan'", "lateSeconds"},
		"timers":     {"timers", "[componentId]", "'Count'", "'LessThan'", "1"},
		"logCap":     {"log-cap", "[workspaceId]", "'Count'", "'GreaterThan'", "0"},
	}
	got := map[string][]string{}
	for _, b := range blocks(t, "app/alerts-log.bicep") {
		query := first(`loadTextContent\('\.\./queries/([a-z-]+)\.kql'\)`, b.Text)
		if len(query) != 1 {
			t.Fatalf("%s has %d queries", b.Symbol, len(query))
		}
		got[b.Symbol] = []string{query[0], b.value("scopes"), b.value("timeAggregation"), b.value("operator"), b.value("threshold")}
		kql := text(t, "queries/"+query[0]+".kql")
		columns := b.value("metricMeasureColumn")
		if columns != "" {
			column := strings.Trim(columns, "'")
			if !regexp.MustCompile(`\| summarize ` + column + ` = \w+\(`).MatchString(kql) {
				t.Errorf("%s measures %s, which %s.kql does not put out", b.Symbol, column, query[0])
			}
		} else if b.value("timeAggregation") != "'Count'" {
			t.Errorf("%s measures nothing", b.Symbol)
		}
		for _, dimension := range first(`dimensions: \[\{ name: '(\w+)'`, b.Text) {
			if !regexp.MustCompile(`\| summarize .* by ` + dimension + `\s`).MatchString(kql) {
				t.Errorf("%s is split by %s, which %s.kql does not put out", b.Symbol, dimension, query[0])
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-meant +found)\n%s", diff)
	}
}

// Queries know functions by name.
func TestFunctionsThatQueriesNameAreThere(t *testing.T) {
	for query, want := range map[string][]string{"timers": {"SubscriptionRenewal", "TokenKeepAlive"}, "failed": {"Health"}} {
		names := first(`"([A-Z]\w+)"`, text(t, "queries/"+query+".kql"))
		if !slices.Equal(names, want) {
			t.Errorf("%s names %q, want %q", query, names, want)
		}
		for _, name := range names {
			if _, err := os.Stat("../functions/" + name + "/function.json"); err != nil {
				t.Errorf("%s: %v", query, err)
			}
		}
	}
}
