package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// config is host.json, with defaults filled in (§4.2).
type config struct {
	handler handlerDescription
	// forward is customHandler.enableForwardingHttpRequest.
	forward bool
	// initialization bounds the wait for GET / (§1.3).
	initialization time.Duration
	// functionTimeout is 0 for none.
	functionTimeout time.Duration
	// functions is the allow-list; empty means all.
	functions   []string
	routePrefix string
	headers     map[string]string
	bus         busOptions
}

// handlerDescription is customHandler.description (§1.4).
type handlerDescription struct {
	DefaultExecutablePath string   `json:"defaultExecutablePath"`
	WorkingDirectory      string   `json:"workingDirectory"`
	WorkerDirectory       string   `json:"workerDirectory"`
	Arguments             []string `json:"arguments"`
	DefaultWorkerPath     string   `json:"defaultWorkerPath"`
	WorkerArguments       []string `json:"workerArguments"`
}

// busOptions is extensions.serviceBus.
type busOptions struct {
	maxConcurrentCalls    int
	maxConcurrentSessions int
	maxBatch              int
	autoComplete          bool
	// maxRenewal is how long locks are renewed, from the accept of the session or
	// the receipt of the message; negative means without limit.
	maxRenewal time.Duration
	// sessionIdle is how long a session without messages keeps its slot.
	sessionIdle time.Duration
}

// hostJSON is the part of host.json that is read.
type hostJSON struct {
	Version         string   `json:"version"`
	FunctionTimeout *string  `json:"functionTimeout"`
	Functions       []string `json:"functions"`
	CustomHandler   *struct {
		Description           handlerDescription `json:"description"`
		Forward               bool               `json:"enableForwardingHttpRequest"`
		InitializationTimeout string             `json:"initializationTimeout"`
	} `json:"customHandler"`
	Extensions struct {
		HTTP struct {
			RoutePrefix *string           `json:"routePrefix"`
			Headers     map[string]string `json:"customHeaders"`
		} `json:"http"`
		ServiceBus struct {
			MaxConcurrentCalls    *int   `json:"maxConcurrentCalls"`
			MaxConcurrentSessions *int   `json:"maxConcurrentSessions"`
			PerSession            *int   `json:"maxConcurrentCallsPerSession"`
			MaxBatch              *int   `json:"maxMessageBatchSize"`
			AutoComplete          *bool  `json:"autoCompleteMessages"`
			MaxRenewal            string `json:"maxAutoLockRenewalDuration"`
			SessionIdle           string `json:"sessionIdleTimeout"`
			Retry                 struct {
				TryTimeout string `json:"tryTimeout"`
			} `json:"clientRetryOptions"`
		} `json:"serviceBus"`
	} `json:"extensions"`
}

// readConfig reads host.json of the script root. Every fault is reported.
func readConfig(root string, set settings) (config, error) {
	path := filepath.Join(root, "host.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return config{}, fmt.Errorf("no host.json at the top of the script root: %w", err)
	}
	text, err = override(text, set)
	if err != nil {
		return config{}, fmt.Errorf("host.json: %w", err)
	}
	var file hostJSON
	if err := json.Unmarshal(text, &file); err != nil {
		return config{}, fmt.Errorf("host.json: %w", err)
	}
	c, err := file.config()
	if err != nil {
		return config{}, fmt.Errorf("host.json: %w", err)
	}
	return c, nil
}

func (file hostJSON) config() (config, error) {
	var faults []error
	span := func(name, text string, standard time.Duration) time.Duration {
		if text == "" {
			return standard
		}
		d, err := parseSpan(text)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", name, err))
		}
		return d
	}
	if file.Version != "2.0" {
		faults = append(faults, fmt.Errorf("version is %q, want \"2.0\"", file.Version))
	}
	c := config{functions: file.Functions, routePrefix: "api", headers: file.Extensions.HTTP.Headers, initialization: 30 * time.Second}
	if file.CustomHandler == nil || file.CustomHandler.Description.DefaultExecutablePath == "" {
		faults = append(faults, errors.New("customHandler.description.defaultExecutablePath is missing"))
	} else {
		c.handler, c.forward = file.CustomHandler.Description, file.CustomHandler.Forward
		c.initialization = span("initializationTimeout", file.CustomHandler.InitializationTimeout, c.initialization)
	}
	if p := file.Extensions.HTTP.RoutePrefix; p != nil {
		c.routePrefix = strings.Trim(*p, "/")
	}
	switch t := file.FunctionTimeout; {
	case t == nil:
		c.functionTimeout = 30 * time.Minute
	case *t != "-1":
		c.functionTimeout = span("functionTimeout", *t, 0)
		if c.functionTimeout < time.Second {
			faults = append(faults, fmt.Errorf("functionTimeout %q is under one second", *t))
		}
	}
	bus := file.Extensions.ServiceBus
	try := span("tryTimeout", bus.Retry.TryTimeout, time.Minute)
	c.bus = busOptions{
		maxConcurrentCalls:    number(bus.MaxConcurrentCalls, 16*runtime.NumCPU()),
		maxConcurrentSessions: number(bus.MaxConcurrentSessions, 8),
		maxBatch:              number(bus.MaxBatch, 1000),
		autoComplete:          bus.AutoComplete == nil || *bus.AutoComplete,
		maxRenewal:            span("maxAutoLockRenewalDuration", bus.MaxRenewal, 5*time.Minute),
		sessionIdle:           span("sessionIdleTimeout", bus.SessionIdle, try),
	}
	if c.bus.maxConcurrentCalls < 1 || c.bus.maxConcurrentSessions < 1 || c.bus.maxBatch < 1 {
		faults = append(faults, errors.New("extensions.serviceBus: a maximum is under 1"))
	}
	if number(bus.PerSession, 1) != 1 {
		faults = append(faults, errors.New("maxConcurrentCallsPerSession above 1 loses the order of a session"))
	}
	return c, errors.Join(faults...)
}

func number(p *int, standard int) int {
	if p == nil {
		return standard
	}
	return *p
}

// override puts settings AzureFunctionsJobHost__a__b over the values of host.json (§4.2).
func override(text []byte, set settings) ([]byte, error) {
	const prefix = "azurefunctionsjobhost__"
	var tree map[string]any
	for _, kv := range set.env {
		name, value, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(strings.ToLower(name), prefix) {
			continue
		}
		if tree == nil {
			if err := json.Unmarshal(text, &tree); err != nil {
				return nil, err
			}
		}
		place(tree, strings.Split(name[len(prefix):], "__"), value)
	}
	if tree == nil {
		return text, nil
	}
	return json.Marshal(tree)
}

// place sets one value in a tree of objects; names are matched regardless of case.
func place(tree map[string]any, path []string, value string) {
	name := path[0]
	for k := range tree {
		if strings.EqualFold(k, name) {
			name = k
		}
	}
	if len(path) > 1 {
		child, ok := tree[name].(map[string]any)
		if !ok {
			child = map[string]any{}
			tree[name] = child
		}
		place(child, path[1:], value)
		return
	}
	if n, err := strconv.Atoi(value); err == nil && value != "-1" {
		tree[name] = n
	} else if b, err := strconv.ParseBool(strings.ToLower(value)); err == nil {
		tree[name] = b
	} else {
		tree[name] = value
	}
}
