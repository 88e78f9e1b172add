package tables

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/shared/state"
)

func TestAddresses(t *testing.T) {
	for path, want := range map[string]address{
		"lanes":                                {table: "lanes"},
		"lanes()":                              {table: "lanes"},
		"lanes(PartitionKey='a',RowKey='b')":   {"lanes", true, "a", "b"},
		"lanes(PartitionKey='a',%20RowKey='')": {"lanes", true, "a", ""},
		"lanes(PartitionKey='it%27%27s',RowKey='%C3%A4%2Fb')":  {"lanes", true, "it's", "ä/b"},
		"lanes(PartitionKey='a''b',RowKey='%27%27%2CRowKey=')": {"lanes", true, "a'b", "',RowKey="},
	} {
		if got, err := parseAddress(path); err != nil || got != want {
			t.Errorf("%s: %+v, %v", path, got, err)
		}
	}
	for _, path := range []string{
		"", "ab", "a-b", "lanes(", "lanes(x)", "lanes('a')", "lanes(PartitionKey='a')", "lanes(PartitionKey='a',RowKey='b'", "lanes(PartitionKey='a',RowKey='b')x",
		"lanes(RowKey='b',PartitionKey='a')", "lanes(PartitionKey='it's',RowKey='b')", "lanes(PartitionKey='a',RowKey='b/c')", "lanes/x", "lanes%zz",
	} {
		if got, err := parseAddress(path); err == nil {
			t.Errorf("%s became %+v", path, got)
		}
	}
}

func TestAWriteIsReadFromMethodHeadersAndBody(t *testing.T) {
	keyed := address{"lanes", true, "p", "r"}
	for name, test := range map[string]struct {
		method, ifMatch, body string
		at                    address
		action                state.Action
		code                  string
	}{
		"insert":               {"POST", "", `{"PartitionKey":"p","RowKey":"r"}`, address{table: "lanes"}, state.Insert, ""},
		"upsert":               {"PUT", "", `{}`, keyed, state.InsertOrReplace, ""},
		"merge upsert":         {"PATCH", "", `{}`, keyed, state.InsertOrMerge, ""},
		"old merge":            {"MERGE", "*", `{}`, keyed, state.Merge, ""},
		"replace":              {"PUT", `W/"x"`, `{"PartitionKey":"p"}`, keyed, state.Replace, ""},
		"delete":               {"DELETE", "*", ``, keyed, state.Delete, ""},
		"delete without match": {"DELETE", "", ``, keyed, 0, "MissingRequiredHeader"},
		"malformed ETag":       {"PUT", "x", `{}`, keyed, 0, "InvalidInput"},
		"insert at a key":      {"POST", "", `{}`, keyed, 0, "MethodNotAllowed"},
		"put to a table":       {"PUT", "", `{}`, address{table: "lanes"}, 0, "MethodNotAllowed"},
		"other key in body":    {"PUT", "", `{"RowKey":"other"}`, keyed, 0, "InvalidInput"},
		"no row key":           {"POST", "", `{"PartitionKey":"p"}`, address{table: "lanes"}, 0, "PropertiesNeedValue"},
		"two properties":       {"PUT", "", `{"a":1,"a":2}`, keyed, 0, "DuplicatePropertiesSpecified"},
		"no JSON":              {"PUT", "", `{"a":`, keyed, 0, "InvalidInput"},
		"more than JSON":       {"PUT", "", `{} {}`, keyed, 0, "InvalidInput"},
		"get":                  {"GET", "", ``, keyed, 0, "MethodNotAllowed"},
	} {
		h := http.Header{"Content-Type": {"application/json"}}
		if test.ifMatch != "" {
			h.Set("If-Match", test.ifMatch)
		}
		c, err := decodeChange(test.method, test.at, h, []byte(test.body))
		if test.code != "" {
			if err == nil || refusalOf(err).code != test.code {
				t.Errorf("%s: %v, want %s", name, err, test.code)
			}
		} else if err != nil || c.Action != test.action || c.Entity.Partition != "p" || c.Entity.Row != "r" {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

const batchBody = "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n" +
	"--c\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n" +
	"POST http://127.0.0.1:1/devstoreaccount1/lanes HTTP/1.1\r\nContent-Type: application/json\r\nPrefer: return-no-content\r\n\r\n" +
	`{"PartitionKey":"p","RowKey":"a"}` + "\r\n" +
	"--c\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n" +
	"DELETE http://127.0.0.1:1/devstoreaccount1/lanes(PartitionKey='p',RowKey='b') HTTP/1.1\r\nIf-Match: *\r\n\r\n\r\n" +
	"--c--\r\n\r\n--b--\r\n"

func TestATransactionIsReadFromItsParts(t *testing.T) {
	parts, err := readBatch("multipart/mixed; boundary=b", []byte(batchBody))
	if err != nil {
		t.Fatal(err)
	}
	table, changes, err := decodeParts(parts)
	want := []state.Change{
		{Action: state.Insert, Entity: state.Entity{Partition: "p", Row: "a", Props: map[string]any{}}},
		{Action: state.Delete, Entity: state.Entity{Partition: "p", Row: "b"}},
	}
	if diff := cmp.Diff(want, changes); err != nil || table != "lanes" || diff != "" {
		t.Errorf("%s, %v (-want +got):\n%s", table, err, diff)
	}
	for name, body := range map[string]string{
		"empty":            "",
		"no parts":         "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c--\r\n--b--\r\n",
		"a query":          "--b\r\nContent-Type: application/http\r\n\r\nGET http://h/devstoreaccount1/lanes() HTTP/1.1\r\n\r\n\r\n--b--\r\n",
		"cut":              batchBody[:len(batchBody)-40],
		"two change sets":  strings.Replace(batchBody, "\r\n--b--", "\r\n--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c--\r\n--b--", 1),
		"no request":       strings.Replace(batchBody, "POST http", "POST", 1)[:150] + "\r\n--c--\r\n--b--\r\n",
		"other part types": strings.ReplaceAll(batchBody, "application/http", "text/plain"),
	} {
		if parts, err := readBatch("multipart/mixed; boundary=b", []byte(body)); err == nil {
			t.Errorf("%s became %d parts", name, len(parts))
		}
	}
	elsewhere := strings.Replace(batchBody, "lanes(", "other(", 1)
	parts, err = readBatch("multipart/mixed; boundary=b", []byte(elsewhere))
	if _, _, refused := decodeParts(parts); err != nil || refused == nil || refusalOf(refused).index != 1 {
		t.Errorf("two tables: %v, %v", err, refused)
	}
}

func FuzzBatch(f *testing.F) {
	f.Add("multipart/mixed; boundary=b", []byte(batchBody))
	f.Add("multipart/mixed; boundary=b", []byte(strings.Replace(batchBody, "lanes(", "other(", 1)))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		parts, err := readBatch(contentType, body)
		if err != nil {
			return
		}
		table, changes, err := decodeParts(parts)
		if err != nil {
			if e := refusalOf(err); e.status < 400 || e.status > 499 || e.index < 0 {
				t.Fatalf("refused with %+v", e)
			}
			return
		}
		if state.CheckTable(table) != nil || len(changes) != len(parts) {
			t.Fatalf("%q, %d changes of %d parts", table, len(changes), len(parts))
		}
		for i := range changes {
			if checkChange(&changes[i]) != nil {
				t.Fatalf("change %d passed unchecked", i)
			}
		}
	})
}

// FuzzEntity: what the server accepts it gives back as JSON with the same content.
func FuzzEntity(f *testing.F) {
	f.Add([]byte(`{"PartitionKey":"p","RowKey":"r","n":1,"d":1.0,"w@odata.type":"Edm.Int64","w":"5","t@odata.type":"Edm.DateTime","t":"2026-12-01T00:00:00Z"}`))
	f.Add([]byte(`{"b@odata.type":"Edm.Binary","b":"AP8=","g@odata.type":"Edm.Guid","g":"c9da6455-213d-42c9-9a79-3e9149a57833","x@odata.type":"Edm.Double","x":"NaN"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := readDocument(body)
		if err != nil {
			return
		}
		props, err := d.props()
		if err != nil {
			return
		}
		written := appendRow(nil, &row{partition: "p", key: "r", props: props}, true, nil)
		if !json.Valid(written) {
			t.Fatalf("not JSON: %s", written)
		}
		again, err := readDocument(written)
		if err != nil {
			t.Fatalf("%v in %s", err, written)
		}
		got, err := again.props()
		if diff := cmp.Diff(props, got, cmp.Comparer(func(a, b float64) bool { return a == b || a != a && b != b })); err != nil || diff != "" {
			t.Fatalf("%v (-want +got):\n%s", err, diff)
		}
	})
}

func FuzzAddress(f *testing.F) {
	f.Add("lanes(PartitionKey='it%27%27s',RowKey='%C3%A4')")
	f.Add("lanes()")
	f.Fuzz(func(t *testing.T, path string) {
		if a, err := parseAddress(path); err == nil && state.CheckTable(a.table) != nil {
			t.Fatalf("%q: table %q", path, a.table)
		}
	})
}
