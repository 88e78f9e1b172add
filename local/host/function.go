package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// function is one folder with a function.json (§3.1).
type function struct {
	name     string
	disabled bool
	trigger  binding
	outputs  []binding
	// inputs counts the input bindings beside the trigger.
	inputs int
	retry  retryPolicy
	// route and auth are set for HTTP triggers.
	route *template
	auth  authLevel
}

// binding is one entry of function.json, %SETTING% expanded.
type binding struct {
	Type      string `json:"type"`
	Direction string `json:"direction"`
	Name      string `json:"name"`
	DataType  string `json:"dataType"`

	AuthLevel string   `json:"authLevel"`
	Methods   []string `json:"methods"`
	Route     *string  `json:"route"`

	Schedule     string `json:"schedule"`
	UseMonitor   *bool  `json:"useMonitor"`
	RunOnStartup bool   `json:"runOnStartup"`

	QueueName    string `json:"queueName"`
	TopicName    string `json:"topicName"`
	Subscription string `json:"subscriptionName"`
	Connection   string `json:"connection"`
	Sessions     bool   `json:"isSessionsEnabled"`
	Cardinality  string `json:"cardinality"`
	AutoComplete *bool  `json:"autoCompleteMessages"`
}

// retryPolicy is function.json's retry; it works for timers only (§3.3).
type retryPolicy struct {
	Strategy        string `json:"strategy"`
	MaxRetryCount   int    `json:"maxRetryCount"`
	DelayInterval   string `json:"delayInterval"`
	MinimumInterval string `json:"minimumInterval"`
	MaximumInterval string `json:"maximumInterval"`
}

const (
	triggerHTTP  = "httptrigger"
	triggerTimer = "timertrigger"
	triggerBus   = "servicebustrigger"
)

// kind is the trigger's type in lower case.
func (f *function) kind() string { return strings.ToLower(f.trigger.Type) }

// pure reports whether the function is forwarded rather than enveloped, where host.json
// asks for forwarding (§2.2).
func (f *function) pure() bool {
	return f.kind() == triggerHTTP && f.inputs == 0 && len(f.outputs) == 1 && strings.EqualFold(f.outputs[0].Type, "http")
}

// group is the scaling group of the function (§6.1).
func (f *function) group() string {
	if f.kind() == triggerHTTP {
		return "http"
	}
	return "function:" + f.name
}

func (b binding) many() bool { return strings.EqualFold(b.Cardinality, "many") }

// entity is the queue, or the topic and subscription, that a trigger receives from.
func (b binding) entity() string {
	if b.QueueName != "" {
		return b.QueueName
	}
	return b.TopicName + "/" + b.Subscription
}

// readFunctions reads every <Name>/function.json directly under root (§3.1). All
// faults are reported together.
func readFunctions(root string, set settings, allowed []string) ([]*function, error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, err
	}
	var all []*function
	var faults []error
	seen := map[string]string{}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(root, e.Name(), "function.json"))
		if err != nil {
			continue
		}
		if len(allowed) > 0 && !slices.Contains(allowed, e.Name()) {
			continue
		}
		f, err := parseFunction(e.Name(), text, set)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s/function.json: %w", e.Name(), err))
			continue
		}
		if other, ok := seen[strings.ToLower(f.name)]; ok {
			faults = append(faults, fmt.Errorf("functions %s and %s differ in case only", other, f.name))
		}
		seen[strings.ToLower(f.name)] = f.name
		all = append(all, f)
	}
	if len(all) == 0 && len(faults) == 0 {
		faults = append(faults, wrongLayout(root))
	}
	return all, errors.Join(faults...)
}

// wrongLayout says what is wrong with a script root that holds no functions.
func wrongLayout(root string) error {
	deeper, _ := filepath.Glob(filepath.Join(root, "*", "*", "function.json"))
	if len(deeper) > 0 {
		return errors.New("function folders must lie directly beside host.json, not one folder deeper: package first")
	}
	return errors.New("no <Name>/function.json beside host.json")
}

// parseFunction reads one function.json.
func parseFunction(name string, text []byte, set settings) (*function, error) {
	var file struct {
		Bindings []binding   `json:"bindings"`
		Retry    retryPolicy `json:"retry"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	f := &function{name: name, retry: file.Retry, disabled: set.disabled(name)}
	var faults []error
	if !regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_-]{0,127}$`).MatchString(name) || strings.EqualFold(name, "host") {
		faults = append(faults, errors.New("the folder's name is no function name"))
	}
	triggers := 0
	names := map[string]bool{}
	for _, b := range file.Bindings {
		if err := b.check(set); err != nil {
			faults = append(faults, fmt.Errorf("binding %q: %w", b.Name, err))
		}
		if names[strings.ToLower(b.Name)] {
			faults = append(faults, fmt.Errorf("two bindings are called %q", b.Name))
		}
		names[strings.ToLower(b.Name)] = true
		switch {
		case strings.HasSuffix(strings.ToLower(b.Type), "trigger"):
			triggers++
			f.trigger = b
		case strings.EqualFold(b.Direction, "out"):
			f.outputs = append(f.outputs, b)
		default:
			f.inputs++
		}
	}
	if triggers != 1 {
		faults = append(faults, fmt.Errorf("%d triggers, want one", triggers))
	} else if err := f.checkTrigger(); err != nil {
		faults = append(faults, err)
	}
	return f, errors.Join(faults...)
}

// check expands the settings of a binding and checks what every type shares.
func (b *binding) check(set settings) error {
	var faults []error
	for _, p := range []*string{&b.Schedule, &b.QueueName, &b.TopicName, &b.Subscription} {
		var err error
		if *p, err = set.expand(*p); err != nil {
			faults = append(faults, err)
		}
	}
	if b.Name != "$return" && !regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9]{0,127}$`).MatchString(b.Name) {
		faults = append(faults, errors.New("not a binding name"))
	}
	if d := strings.ToLower(b.Direction); d != "in" && d != "out" {
		faults = append(faults, fmt.Errorf("direction %q", b.Direction))
	}
	if d := strings.ToLower(b.DataType); d != "" && d != "string" && d != "binary" {
		faults = append(faults, fmt.Errorf("dataType %q fails at binding", b.DataType))
	}
	if c := strings.ToLower(b.Cardinality); c != "" && c != "one" && c != "many" {
		faults = append(faults, fmt.Errorf("cardinality %q", b.Cardinality))
	}
	return errors.Join(faults...)
}

// checkTrigger checks what belongs to the trigger's type.
func (f *function) checkTrigger() error {
	t := f.trigger
	switch f.kind() {
	case triggerHTTP:
		return f.bindHTTP()
	case triggerTimer:
		_, err := parseSchedule(t.Schedule)
		return errors.Join(err, f.retry.check())
	case triggerBus:
		queue, topic := t.QueueName != "", t.TopicName != "" || t.Subscription != ""
		if queue == topic || topic && (t.TopicName == "" || t.Subscription == "") {
			return errors.New("want queueName, or topicName and subscriptionName")
		}
		if t.Connection == "" {
			return errors.New("connection is missing")
		}
		if t.Sessions && strings.HasSuffix(strings.ToLower(t.entity()), deadLetterSuffix) {
			return errors.New("a dead-letter queue has no sessions: isSessionsEnabled must be false")
		}
		if f.retry.Strategy != "" {
			return errors.New("retry is for timers; a Service Bus message is retried by the queue")
		}
		return nil
	}
	return fmt.Errorf("trigger type %q is not known here", t.Type)
}

// bindHTTP parses the route and the key level of an HTTP trigger.
func (f *function) bindHTTP() error {
	level, err := parseAuthLevel(f.trigger.AuthLevel)
	if err != nil {
		return err
	}
	f.auth = level
	route := f.name
	if f.trigger.Route != nil && *f.trigger.Route != "" {
		route = *f.trigger.Route
	}
	f.route, err = parseTemplate(route)
	return err
}
