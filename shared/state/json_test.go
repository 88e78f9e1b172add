package state

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The answers of the service, as "Payload format for Table service operations"
// and recordings of Azurite have them.
func TestDecodeReadsTheServicesTypes(t *testing.T) {
	e, err := decodeEntity([]byte(`{
		"odata.metadata":"https://a.table.core.windows.net/$metadata#t/@Element",
		"odata.etag":"W/\"datetime'2026-12-01T10%3A00%3A00.1234567Z'\"",
		"PartitionKey":"p\u00e4","RowKey":"r","Timestamp@odata.type":"Edm.DateTime","Timestamp":"2026-12-01T10:00:00.1234567Z",
		"text":"a\/b \ud83d\ude00","whole":5.0,"half":0.5,"exponent":1E+3,"small":5,"big":4294967296,
		"wide@odata.type":"Edm.Int64","wide":"5","late":"6","late@odata.type":"Edm.Int64",
		"nan@odata.type":"Edm.Double","nan":"NaN","yes":true,"nothing":null,
		"bytes@odata.type":"Edm.Binary","bytes":"AP8=","none@odata.type":"Edm.Binary","none":"",
		"at@odata.type":"Edm.DateTime","at":"2026-12-01T10:00:00Z",
		"id@odata.type":"Edm.Guid","id":"c9da6455-213d-42c9-9a79-3e9149a57833"}`))
	if err != nil {
		t.Fatal(err)
	}
	want := Entity{Partition: "pä", Row: "r", ETag: `W/"datetime'2026-12-01T10%3A00%3A00.1234567Z'"`, Props: map[string]any{
		"text": "a/b 😀", "whole": 5.0, "half": 0.5, "exponent": 1000.0, "small": int32(5), "big": 4294967296.0,
		"wide": int64(5), "late": int64(6), "nan": math.NaN(), "yes": true, "bytes": []byte{0, 255}, "none": []byte{},
		"at": time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC), "id": "c9da6455-213d-42c9-9a79-3e9149a57833",
	}}
	if diff := cmp.Diff(want, e, cmp.Comparer(func(a, b float64) bool { return a == b || a != a && b != b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Zero rows and "could not read" must never look alike.
func TestDecodeRefusesWhatIsNoAnswer(t *testing.T) {
	for _, body := range []string{
		"", "{}", `{"odata.error":{}}`, `{"value":{}}`, `{"value":[}`, `{"value":[]`, `{"value":[]} x`, `[]`, `{"value":null}`,
		`{"value":[{"a":[1]}]}`, `{"value":[{"a":{}}]}`, `{"value":[{"a@odata.type":"Edm.Int64","a":"x"}]}`,
		`{"value":[{"a@odata.type":"Edm.Binary","a":"%"}]}`, `{"value":[{"a@odata.type":"Edm.Unheard","a":"x"}]}`,
		`{"value":[{"a":01}]}`, `{"value":[{"a":"` + "\n" + `"}]}`, "<html>",
	} {
		if rows, err := decodeEntities([]byte(body), nil); err == nil {
			t.Errorf("%q became %v", body, rows)
		}
	}
	rows, err := decodeEntities([]byte(`{"odata.metadata":"m","value":[ ]}`), []Entity{})
	if err != nil || rows == nil || len(rows) != 0 {
		t.Errorf("no rows: %v, %v", rows, err)
	}
}

func TestEncodedEntitiesDecodeToThemselves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Entity{Partition: rapid.String().Draw(t, "partition"), Row: rapid.String().Draw(t, "row"), Props: drawProps(t)}
		body := appendEntity(nil, &want)
		if !json.Valid(body) || !utf8.Valid(body) || strings.ContainsAny(string(body), "\r\n\u2028\u2029") {
			t.Fatalf("not one line of JSON: %q", body)
		}
		got, err := decodeEntity(body)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("%v (-want +got):\n%s", err, diff)
		}
	})
}

// The size that Check counts must never be less than what is sent.
func TestCheckCountsAtLeastWhatIsSent(t *testing.T) {
	const endpoint = "http://127.0.0.1:10002/devstoreaccount1"
	rapid.Check(t, func(t *rapid.T) {
		c := Change{Action: InsertOrMerge, Entity: Entity{Partition: "p'%ä", Row: rapid.StringMatching(`[a-z'%" ]{0,30}`).Draw(t, "row"), Props: drawProps(t)}}
		counted, err := checkChange(&c)
		if err != nil {
			t.Skip(err)
		}
		if sent := len(appendBatch(nil, endpoint, "lanes", []Change{c})); sent > counted+payloadFrame {
			t.Fatalf("%d bytes sent, %d counted", sent, counted+payloadFrame)
		}
	})
}

func drawProps(t *rapid.T) map[string]any {
	value := rapid.OneOf(
		rapid.String().AsAny(), rapid.Bool().AsAny(), rapid.Int32().AsAny(), rapid.Int64().AsAny(),
		rapid.Float64().AsAny(), rapid.SliceOf(rapid.Byte()).AsAny(),
		rapid.Custom(func(t *rapid.T) time.Time {
			return time.Unix(rapid.Int64Range(-11644473600, 253402300799).Draw(t, "s"), 100*rapid.Int64Range(0, 9999999).Draw(t, "ticks")).UTC()
		}).AsAny())
	return rapid.MapOfN(rapid.StringMatching(`[a-zA-Z_][a-zA-Z0-9_]{0,9}`).Filter(func(s string) bool { return checkName(s) == nil }), value, 0, 8).Draw(t, "props")
}

func FuzzDecodeEntities(f *testing.F) {
	f.Add([]byte(`{"odata.metadata":"m","value":[{"PartitionKey":"p","RowKey":"r","n@odata.type":"Edm.Int64","n":"1"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		rows, err := decodeEntities(body, nil)
		if err != nil {
			return
		}
		if !json.Valid(body) {
			t.Fatal("read rows out of what is not JSON")
		}
		for _, e := range rows {
			for name, value := range e.Props {
				if _, _, err := checkValue(value); err != nil && !strings.Contains(err.Error(), "finite") && !strings.Contains(err.Error(), "years") && !strings.Contains(err.Error(), "at most") {
					t.Fatalf("%s: %v", name, err)
				}
			}
		}
	})
}
