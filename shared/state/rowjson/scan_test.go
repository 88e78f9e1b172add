package rowjson

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzScanner holds the scanner against encoding/json: what both read is equal,
// and what encoding/json refuses the scanner refuses.
func FuzzScanner(f *testing.F) {
	for _, seed := range []string{
		`{"a":"b","c":1.5e-3,"d":true,"e":null}`, `{"a":"\ud83d\ude00\ud83d \"\\\/\b\f\n\r\t\u0000"}`, `{"a":-0}`, `{}`, ` { } `, `{"a":01}`, `{"a":1.}`, `{"a":tru}`, "{\"\xff\":1}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got := map[string]any{}
		s := New(body)
		err := s.Object(func(name string) error {
			v, err := s.Scalar()
			switch v.Kind {
			case String:
				got[name] = string(v.Text)
			case Number:
				got[name] = json.Number(v.Text)
			case Bool:
				got[name] = string(v.Text) == "true"
			default:
				got[name] = nil
			}
			return err
		})
		if err == nil {
			err = s.End()
		}
		if err != nil {
			return
		}
		var want map[string]any
		dec := json.NewDecoder(strings.NewReader(string(body)))
		dec.UseNumber()
		if err := dec.Decode(&want); err != nil {
			t.Fatalf("accepted what encoding/json refuses: %v", err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%v, encoding/json says %v", got, want)
		}
	})
}

// FuzzText: what is written is one line of JSON, as long as Size says, and reads
// back.
func FuzzText(f *testing.F) {
	f.Add("plain")
	f.Add("\"\\\n\x00\u2028\u2029 ä😀")
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		b := AppendString(nil, s)
		if len(b) != Size(s) || strings.ContainsAny(string(b), "\r\n\u2028\u2029") {
			t.Fatalf("%q: %d bytes, Size says %d", b, len(b), Size(s))
		}
		var got string
		if err := json.Unmarshal(b, &got); err != nil || got != s {
			t.Fatalf("%q became %q, %v", s, got, err)
		}
		scanner := New(b)
		if v, err := scanner.Scalar(); err != nil || string(v.Text) != s || scanner.End() != nil {
			t.Fatalf("%q became %q, %v", s, v.Text, err)
		}
	})
}
