package host

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/google/uuid"
)

// admin answers /admin/..., all of which but ping needs the master key (§2.8). It
// reports false for any other path.
func (h *Host) admin(w http.ResponseWriter, req *incoming) bool {
	path, ok := cutPrefixFold(strings.TrimPrefix(req.path, "/"), "admin")
	if !ok {
		return false
	}
	if strings.EqualFold(path, "host/ping") {
		write(w, http.StatusOK, nil)
		return true
	}
	if granted(req.r.Header, req.query) < adminLevel {
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
	name, isFunction := cutPrefixFold(path, "functions")
	switch {
	case strings.EqualFold(path, "host/status") && req.r.Method == http.MethodGet:
		h.writeStatus(w)
	case isFunction && name == "" && req.r.Method == http.MethodGet:
		h.writeFunctions(w)
	case isFunction && name != "" && req.r.Method == http.MethodPost:
		h.callByHand(w, req, name)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
	return true
}

func (h *Host) writeStatus(w http.ResponseWriter) {
	state := "Running"
	if len(h.running()) < len(h.groups) {
		state = "Error"
	}
	writeJSON(w, map[string]any{"id": "local", "state": state, "version": hostVersion, "versionDetails": hostVersion + " (local stand-in)"})
}

func (h *Host) writeFunctions(w http.ResponseWriter) {
	list := make([]map[string]any, 0, len(h.functions))
	for _, f := range h.functions {
		list = append(list, map[string]any{"name": f.name, "isDisabled": f.disabled, "trigger": f.trigger.Type})
	}
	writeJSON(w, list)
}

func writeJSON(w http.ResponseWriter, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	write(w, http.StatusOK, text)
}

// callByHand runs a timer or a queue function; 202 before it has run.
func (h *Host) callByHand(w http.ResponseWriter, req *incoming, name string) {
	var body struct {
		Input string `json:"input"`
	}
	text, err := io.ReadAll(io.LimitReader(req.r.Body, maxBody))
	if err != nil || json.Unmarshal(text, &body) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	f := h.named(name)
	if f == nil || f.disabled {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	in := h.instance(f)
	switch {
	case f.kind() == triggerHTTP:
		w.WriteHeader(http.StatusBadRequest) // call it over HTTP instead
		return
	case in == nil || !in.enter():
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	go func() {
		defer in.leave()
		if f.kind() == triggerTimer {
			in.byHand(f)
		} else {
			in.deliverByHand(f, body.Input)
		}
	}()
	w.WriteHeader(http.StatusAccepted)
}

func (h *Host) named(name string) *function {
	for _, f := range h.functions {
		if strings.EqualFold(f.name, name) {
			return f
		}
	}
	return nil
}

// deliverByHand calls a queue function with a message of default properties.
func (in *instance) deliverByHand(f *function, input string) {
	now := in.h.clock.now()
	d := &delivery{
		function: f.name, trigger: f.trigger, namespace: in.h.settings.namespace(f.trigger.Connection), now: now, id: uuid.New(),
		messages: []*azservicebus.ReceivedMessage{{Body: []byte(input), EnqueuedTime: new(time.Time)}},
	}
	if body, err := d.envelope(); err == nil {
		_, _ = in.invoke(f, body)
	}
}
