package host

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

// value is what a reply gives to one output binding; names are case-sensitive. Only
// ReturnValue feeds a binding called $return; without one, the members of an object
// there are merged into the outputs (§2.5).
func (res *result) value(f *function, name string) (json.RawMessage, bool) {
	if name == "$return" {
		return res.returnValue, res.returnValue != nil
	}
	if v, ok := res.outputs[name]; ok {
		return v, true
	}
	for _, b := range f.outputs {
		if b.Name == "$return" {
			return nil, false
		}
	}
	var merged map[string]json.RawMessage
	if json.Unmarshal(res.returnValue, &merged) != nil {
		return nil, false
	}
	v, ok := merged[name]
	return v, ok
}

// applyOutputs runs the output bindings after the reply. http outputs are read by the caller.
func (in *instance) applyOutputs(f *function, res *result) error {
	for _, b := range f.outputs {
		if strings.EqualFold(b.Type, "http") {
			continue
		}
		v, ok := res.value(f, b.Name)
		if !ok || string(v) == "null" {
			continue
		}
		if !strings.EqualFold(b.Type, "serviceBus") {
			return fmt.Errorf("output binding type %q is not known here", b.Type)
		}
		if err := in.sendOutput(b, v); err != nil {
			return fmt.Errorf("output %q: %w", b.Name, err)
		}
	}
	return nil
}

// sendOutput sends what a reply holds for a Service Bus output.
func (in *instance) sendOutput(b binding, v json.RawMessage) error {
	entity := b.QueueName
	if entity == "" {
		entity = b.TopicName
	}
	sender, err := in.sender(b.Connection, entity)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(in.calls, settleWithin)
	defer cancel()
	for _, body := range outputBodies(v, strings.EqualFold(b.DataType, "binary")) {
		if err := sender.SendMessage(ctx, &azservicebus.Message{Body: body}, nil); err != nil {
			return err
		}
	}
	return nil
}

// outputBodies is the messages that one output value makes: strings in an array go out
// byte for byte; JSON text and objects are indented; JSON text of an array is split; a
// string that is valid base64 becomes the name of a type, unless dataType is binary.
func outputBodies(v json.RawMessage, binary bool) [][]byte {
	var list []json.RawMessage
	if json.Unmarshal(v, &list) == nil {
		bodies := make([][]byte, 0, len(list))
		for _, e := range list {
			var s string
			if json.Unmarshal(e, &s) == nil {
				bodies = append(bodies, []byte(s))
			} else {
				bodies = append(bodies, indented(e))
			}
		}
		return bodies
	}
	var s string
	if json.Unmarshal(v, &s) != nil {
		return [][]byte{indented(v)}
	}
	if _, err := base64.StdEncoding.DecodeString(s); err == nil && !binary {
		return [][]byte{[]byte("System.Byte[]")}
	}
	if json.Valid([]byte(s)) {
		if strings.HasPrefix(strings.TrimSpace(s), "[") {
			return outputBodies(json.RawMessage(s), binary)
		}
		return [][]byte{indented(json.RawMessage(s))}
	}
	return [][]byte{[]byte(s)}
}

func indented(v json.RawMessage) []byte {
	var b bytes.Buffer
	if json.Indent(&b, v, "", "  ") != nil {
		return v
	}
	return b.Bytes()
}

var errHTTPOutput = errors.New("the http output cannot be sent")

// httpOutput makes the answer to the caller from the http output.
func httpOutput(f *function, res *result) (*reply, error) {
	var b binding
	for _, o := range f.outputs {
		if strings.EqualFold(o.Type, "http") {
			b = o
		}
	}
	text := func(body string) *reply {
		return &reply{status: http.StatusOK, header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, body: []byte(body), length: -1}
	}
	v, ok := res.value(f, b.Name)
	if !ok {
		if len(res.outputs) > 0 {
			return text("{}"), nil
		}
		return &reply{status: http.StatusNoContent, header: http.Header{}}, nil
	}
	var parts struct {
		StatusCode json.RawMessage            `json:"statusCode"`
		Body       json.RawMessage            `json:"body"`
		Headers    map[string]json.RawMessage `json:"headers"`
	}
	if string(v) == "null" || v[0] == '{' && json.Unmarshal(v, &parts) != nil {
		return nil, errHTTPOutput
	}
	if v[0] != '{' {
		return text(scalarText(v)), nil
	}
	r := text(scalarText(parts.Body))
	if len(parts.StatusCode) > 0 {
		status, err := strconv.Atoi(strings.Trim(string(parts.StatusCode), `"`))
		if err != nil || status < 200 || status > 999 {
			return nil, errHTTPOutput
		}
		r.status = status
	}
	for name, raw := range parts.Headers {
		if raw[0] == 'n' || raw[0] == '[' {
			return nil, fmt.Errorf("%w: header %s is null or an array", errHTTPOutput, name)
		}
		r.header.Set(name, scalarText(raw))
	}
	return r, nil
}

// scalarText is a string's text; other JSON is indented.
func scalarText(raw json.RawMessage) string {
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(indented(raw))
}
