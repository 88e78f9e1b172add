package problem

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// maxTwice is how many members that are there twice are told of.
const maxTwice = 100

// Twice finds the members of a JSON document that are there more than once, at any depth:
// readers differ in which of the two they take, and which one was meant is not for us to
// say. body is known to be JSON; of what is none, it tells what comes before the error.
func Twice(body []byte) []Fault {
	w := twice{d: json.NewDecoder(bytes.NewReader(body))}
	w.d.UseNumber()
	w.value()
	return w.faults
}

// twice is a walk through a document.
type twice struct {
	d      *json.Decoder
	path   []string // the steps to the value being read
	faults []Fault
}

// value reads one value; false at an error.
func (w *twice) value() bool {
	token, err := w.d.Token()
	if err != nil {
		return false
	}
	switch token {
	case json.Delim('{'):
		return w.object()
	case json.Delim('['):
		return w.list()
	}
	return true
}

func (w *twice) object() bool {
	seen := map[string]bool{}
	for w.d.More() {
		token, err := w.d.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return false
		}
		w.path = append(w.path, Escape(name))
		if seen[name] && len(w.faults) < maxTwice {
			w.faults = append(w.faults, Fault{Pointer: "/" + strings.Join(w.path, "/"), Code: "duplicate-member", Detail: "This member is there twice."})
		}
		seen[name] = true
		if !w.value() {
			return false
		}
		w.path = w.path[:len(w.path)-1]
	}
	_, err := w.d.Token()
	return err == nil
}

func (w *twice) list() bool {
	for n := 0; w.d.More(); n++ {
		w.path = append(w.path, strconv.Itoa(n))
		if !w.value() {
			return false
		}
		w.path = w.path[:len(w.path)-1]
	}
	_, err := w.d.Token()
	return err == nil
}
