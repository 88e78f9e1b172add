package schemas_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/calbridge/calbridge/docs/schemas"
)

func compile(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	text, err := schemas.Read(name)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(name, doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func TestEverySchemaCompilesAndIsNamedAfterItsType(t *testing.T) {
	names := schemas.Names()
	if len(names) != 8 {
		t.Errorf("%d schemas: %q", len(names), names)
	}
	for _, name := range names {
		text, err := schemas.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		var doc struct {
			Schema     string `json:"$schema"`
			ID         string `json:"$id"`
			Title      string
			Properties struct{ Type struct{ Const string } }
		}
		if err := json.Unmarshal(text, &doc); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		stem := strings.TrimSuffix(name, ".json")
		if doc.Schema != "https://json-schema.org/draft/2020-12/schema" || doc.ID != "urn:calbridge:schema:"+stem ||
			doc.Title != "calbridge."+stem || doc.Properties.Type.Const != doc.Title {
			t.Errorf("%s: %+v", name, doc)
		}
		compile(t, name)
	}
}

func TestAnUnknownSchemaIsAnError(t *testing.T) {
	if _, err := schemas.Read("nothing.json"); err == nil {
		t.Error("found")
	}
}

func TestExamplesOfEachEventAreToldFromWrongOnes(t *testing.T) {
	tests := []struct {
		schema, name, data string
		ok                 bool
	}{
		{"delivery", "written", `{"booking":"b","user":"u","revision":1,"sequence":2,"state":"written","eventId":"AAMk"}`, true},
		{"delivery", "a room's file", `{"booking":"b","room":"r","revision":1,"sequence":2,"state":"ics","reason":"not-connected","message":"…","ics":{"method":"PUBLISH","uid":"x","sequence":0,"content":"BEGIN:VCALENDAR"}}`, true},
		{"delivery", "more to come", `{"booking":"b","user":"u","revision":1,"sequence":2,"state":"written","later":1}`, true},
		{"delivery", "both user and room", `{"booking":"b","user":"u","room":"r","revision":1,"sequence":2,"state":"written"}`, false},
		{"delivery", "neither", `{"booking":"b","revision":1,"sequence":2,"state":"written"}`, false},
		{"delivery", "skipped without reason", `{"booking":"b","user":"u","revision":1,"sequence":2,"state":"skipped"}`, false},
		{"delivery", "written with reason", `{"booking":"b","user":"u","revision":1,"sequence":2,"state":"written","reason":"held"}`, false},
		{"delivery", "reason of another state", `{"booking":"b","user":"u","revision":1,"sequence":2,"state":"removed","reason":"in-the-past"}`, false},
		{"delivery", "pending is only told over HTTP", `{"booking":"b","user":"u","revision":1,"sequence":2,"state":"pending"}`, false},
		{"delivery", "a file both carried and linked", `{"booking":"b","user":"u","revision":1,"sequence":2,"state":"ics","reason":"paused","ics":{"method":"CANCEL","uid":"x","sequence":0,"content":"…","url":"…"}}`, false},
		{"rejected", "as it is", `{"messageId":"m","organization":"acme","id":"b","faults":[{"pointer":"/data/title","code":"required","detail":"is missing"}]}`, true},
		{"rejected", "of nobody", `{"messageId":"m","faults":[]}`, true},
		{"rejected", "a fault without code", `{"messageId":"m","faults":[{"pointer":"","detail":"x"}]}`, false},
		{"alert", "as it is", `{"code":"dead-letter","state":"raised","message":"x","booking":"b","user":"u"}`, true},
		{"alert", "unknown state", `{"code":"dead-letter","state":"x","message":"x"}`, false},
		{"appointment", "busy only", `{"change":"upserted","connection":"c","user":"u","id":"i","calendar":"k","changeKey":"x","start":{"dateTime":"2026-12-01T10:00:00","timeZone":"UTC"},"end":{"dateTime":"2026-12-01T11:00:00","timeZone":"UTC"},"allDay":false,"showAs":"busy","sensitivity":"normal","private":false}`, true},
		{"appointment", "deleted", `{"change":"deleted","connection":"c","id":"i"}`, true},
		{"appointment", "upserted without times", `{"change":"upserted","connection":"c","id":"i"}`, false},
		{"booking.changed", "moved", `{"booking":"b","user":"u","revision":1,"change":"moved","fields":{"start":{}},"rule":"report"}`, true},
		{"booking.changed", "retitled, and not told how", `{"booking":"b","user":"u","revision":1,"change":"edited","fields":{"title":{},"allDay":{"old":false,"new":true}},"rule":"product"}`, true},
		{"booking.changed", "deleted", `{"booking":"b","room":"r","revision":1,"change":"deleted","rule":"time"}`, true},
		{"booking.changed", "a text of the body", `{"booking":"b","user":"u","revision":1,"change":"edited","fields":{"description":{"new":"x"}}}`, false},
		{"booking.changed", "somebody's address", `{"booking":"b","user":"u","revision":1,"change":"edited","fields":{"people":{"new":"x"}}}`, false},
		{"booking.changed", "unknown change", `{"booking":"b","user":"u","revision":1,"change":"read"}`, false},
		{"connection", "needs a sign-in", `{"connection":"c","user":"u","state":"needs-reauth"}`, true},
		{"connection", "unknown state", `{"connection":"c","user":"u","state":"x"}`, false},
		{"consent", "granted", `{"state":"granted","tenant":"t","boundBy":"consent","evidence":"callback"}`, true},
		{"consent", "unknown state", `{"state":"x"}`, false},
	}
	for _, test := range tests {
		t.Run(test.schema+" "+test.name, func(t *testing.T) {
			event := `{"specversion":"1.0","id":"1","source":"https://x/api/organizations/acme","type":"calbridge.` + test.schema +
				`.v1","time":"2026-12-01T10:00:00Z","datacontenttype":"application/json","data":` + test.data + `}`
			value, err := jsonschema.UnmarshalJSON(strings.NewReader(event))
			if err != nil {
				t.Fatal(err)
			}
			if err := compile(t, test.schema+".v1.json").Validate(value); (err == nil) != test.ok {
				t.Errorf("%v, want ok %v", err, test.ok)
			}
		})
	}
}
