package queuetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/version"
)

// A goldenMessage is a message in a file, with the types of its properties.
type goldenMessage struct {
	SessionID, ContentType, Body string
	Properties                   map[string]goldenValue `json:",omitempty"`
}

type goldenValue struct {
	Type  string
	Value json.RawMessage
}

// Golden are the messages that each version which this build has to read wrote, by version
// and name: those of testdata/v<version>/messages.json. They were made once, by the code of
// that version, and stay; update writes those of the current one anew, from now.
func Golden(t testing.TB, update bool, now map[string]queue.Message) map[version.Version]map[string]queue.Message {
	t.Helper()
	all := map[version.Version]map[string]queue.Message{}
	for v := max(1, version.Current-1); v <= version.Current; v++ {
		path := filepath.Join("testdata", fmt.Sprintf("v%d", v), "messages.json")
		if update && v == version.Current {
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, written(t, now), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[v] = stored(t, text)
		for name := range now {
			if _, there := all[v][name]; !there && v == version.Current {
				t.Errorf("%s has no message %q", path, name)
			}
		}
	}
	return all
}

func written(t testing.TB, messages map[string]queue.Message) []byte {
	t.Helper()
	out := map[string]goldenMessage{}
	for name, m := range messages {
		g := goldenMessage{SessionID: m.SessionID, ContentType: m.ContentType, Body: string(m.Body), Properties: map[string]goldenValue{}}
		for property, v := range m.Properties {
			value, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			g.Properties[property] = goldenValue{fmt.Sprintf("%T", v), value}
		}
		out[name] = g
	}
	text, err := json.MarshalIndent(out, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

func stored(t testing.TB, text []byte) map[string]queue.Message {
	t.Helper()
	var in map[string]goldenMessage
	if err := json.Unmarshal(text, &in); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]any{"string": "", "int64": int64(0), "bool": false, "float64": 0.5}
	out := map[string]queue.Message{}
	for name, g := range in {
		m := queue.Message{ID: name, SessionID: g.SessionID, ContentType: g.ContentType, Body: []byte(g.Body), Properties: map[string]any{}}
		for property, v := range g.Properties {
			value := reflect.New(reflect.TypeOf(kinds[v.Type]))
			if err := json.Unmarshal(v.Value, value.Interface()); err != nil {
				t.Fatal(err)
			}
			m.Properties[property] = value.Elem().Interface()
		}
		out[name] = m
	}
	return out
}
