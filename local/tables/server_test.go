package tables_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/calbridge/calbridge/local/tables"
	"github.com/calbridge/calbridge/shared/state"
)

func dialCounter(opened *atomic.Int32) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		opened.Add(1)
		return new(net.Dialer).DialContext(ctx, network, address)
	}
}

// sdk is aztables as it is, without our adapter.
func sdk(t *testing.T, server *tables.Server) *aztables.ServiceClient {
	t.Helper()
	c, err := aztables.NewServiceClientFromConnectionString(server.ConnectionString(),
		&aztables.ClientOptions{ClientOptions: policy.ClientOptions{Retry: policy.RetryOptions{MaxRetries: -1}}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// table makes a table for tests that speak to the server themselves.
func table(t *testing.T) (*tables.Server, *aztables.Client) {
	t.Helper()
	server, _ := start(t, nil)
	client := sdk(t, server).NewClient("lanes")
	if _, err := client.CreateTable(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return server, client
}

// code is the service's code of an SDK error.
func code(err error) string {
	var r *azcore.ResponseError
	if errors.As(err, &r) {
		return r.ErrorCode
	}
	return fmt.Sprint(err)
}

func entity(partition, row, more string) []byte {
	return fmt.Appendf(nil, `{"PartitionKey":%q,"RowKey":%q%s}`, partition, row, more)
}

func TestTheServerRefusesWhatTheServiceRefuses(t *testing.T) {
	_, client := table(t)
	long := strings.Repeat("x", 33_000)
	many := ""
	for i := range 253 {
		many += fmt.Sprintf(`,"p%d":1`, i)
	}
	big := ""
	for i := range 33 {
		big += fmt.Sprintf(`,"p%d":%q`, i, long[:16_000])
	}
	for name, test := range map[string]struct {
		body []byte
		want string
	}{
		"slash":             {entity("p", "a/b", ""), "OutOfRangeInput"},
		"backslash":         {entity("p", `a\b`, ""), "OutOfRangeInput"},
		"hash":              {entity("p", "a#b", ""), "OutOfRangeInput"},
		"question mark":     {entity("p", "a?b", ""), "OutOfRangeInput"},
		"control":           {entity("p", "a\nb", ""), "OutOfRangeInput"},
		"long key":          {entity("p", strings.Repeat("k", 513), ""), "KeyValueTooLarge"},
		"long text":         {entity("p", "r", `,"v":"`+long+`"`), "PropertyValueTooLarge"},
		"long binary":       {entity("p", "r", `,"v@odata.type":"Edm.Binary","v":"`+strings.Repeat("AAAA", 22_000)+`"`), "PropertyValueTooLarge"},
		"many properties":   {entity("p", "r", many), "TooManyProperties"},
		"large entity":      {entity("p", "r", big), "EntityTooLarge"},
		"name":              {entity("p", "r", `,"a-b":1`), "PropertyNameInvalid"},
		"name with a digit": {entity("p", "r", `,"1a":1`), "PropertyNameInvalid"},
		"long name":         {entity("p", "r", `,"`+strings.Repeat("n", 256)+`":1`), "PropertyNameTooLong"},
		"integer":           {entity("p", "r", `,"v":4294967296`), "InvalidInput"},
		"Int64 as number":   {entity("p", "r", `,"v@odata.type":"Edm.Int64","v":5`), "InvalidInput"},
		"Int64":             {entity("p", "r", `,"v@odata.type":"Edm.Int64","v":"x"`), "InvalidInput"},
		"time":              {entity("p", "r", `,"v@odata.type":"Edm.DateTime","v":"yesterday"`), "InvalidInput"},
		"early time":        {entity("p", "r", `,"v@odata.type":"Edm.DateTime","v":"1600-12-31T00:00:00Z"`), "InvalidInput"},
		"guid":              {entity("p", "r", `,"v@odata.type":"Edm.Guid","v":"1"`), "InvalidInput"},
		"binary":            {entity("p", "r", `,"v@odata.type":"Edm.Binary","v":"%"`), "InvalidInput"},
		"type":              {entity("p", "r", `,"v@odata.type":"Edm.Unheard","v":"1"`), "InvalidInput"},
		"nested":            {entity("p", "r", `,"v":{"x":1}`), "InvalidInput"},
		"array":             {entity("p", "r", `,"v":[1]`), "InvalidInput"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := client.AddEntity(t.Context(), test.body, nil); code(err) != test.want {
				t.Errorf("%v, want %s", err, test.want)
			}
		})
	}
}

// A refused transaction: 202, no code, and the change in the multipart body.
func TestARefusedTransactionHasTheServicesShape(t *testing.T) {
	_, client := table(t)
	add := func(partition, row string) aztables.TransactionAction {
		return aztables.TransactionAction{ActionType: aztables.TransactionTypeAdd, Entity: entity(partition, row, "")}
	}
	if _, err := client.AddEntity(t.Context(), entity("p", "b", ""), nil); err != nil {
		t.Fatal(err)
	}
	var tooMany []aztables.TransactionAction
	for i := range 101 {
		tooMany = append(tooMany, add("p", fmt.Sprintf("r%03d", i)))
	}
	for name, test := range map[string]struct {
		actions []aztables.TransactionAction
		want    string
	}{
		"conflict":       {[]aztables.TransactionAction{add("p", "a"), add("p", "b")}, `"code":"EntityAlreadyExists","message":{"lang":"en-US","value":"1:The specified entity`},
		"two partitions": {[]aztables.TransactionAction{add("p", "a"), add("q", "a")}, `"code":"CommandsInBatchActOnDifferentPartitions","message":{"lang":"en-US","value":"1:`},
		"one row twice":  {[]aztables.TransactionAction{add("p", "a"), add("p", "c"), add("p", "a")}, `"code":"InvalidDuplicateRow","message":{"lang":"en-US","value":"2:`},
		"101 changes":    {tooMany, `"code":"InvalidInput","message":{"lang":"en-US","value":"99:`},
		"bad change":     {[]aztables.TransactionAction{add("p", "a"), add("p", "a?")}, `"code":"OutOfRangeInput","message":{"lang":"en-US","value":"1:`},
	} {
		t.Run(name, func(t *testing.T) {
			var raw *http.Response
			_, err := client.SubmitTransaction(policy.WithCaptureResponse(t.Context(), &raw), test.actions, nil)
			var refused *azcore.ResponseError
			if !errors.As(err, &refused) || refused.StatusCode != http.StatusAccepted || refused.ErrorCode != "" {
				t.Fatalf("%v", err)
			}
			body, err := io.ReadAll(refused.RawResponse.Body)
			if err != nil || !bytes.Contains(body, []byte(test.want)) {
				t.Errorf("want %s in (%v):\n%s", test.want, err, body)
			}
			if _, err := client.GetEntity(t.Context(), "p", "a", nil); code(err) != "ResourceNotFound" {
				t.Errorf("it left something behind: %v", err)
			}
		})
	}
}

func TestTheServerKnowsTablesByName(t *testing.T) {
	server, client := table(t)
	if _, err := client.CreateTable(t.Context(), nil); code(err) != "TableAlreadyExists" {
		t.Errorf("again: %v", err)
	}
	none := sdk(t, server).NewClient("none")
	if _, err := none.GetEntity(t.Context(), "p", "r", nil); code(err) != "TableNotFound" {
		t.Errorf("Get: %v", err)
	}
	if _, err := none.AddEntity(t.Context(), entity("p", "r", ""), nil); code(err) != "TableNotFound" {
		t.Errorf("Add: %v", err)
	}
	if _, err := sdk(t, server).CreateTable(t.Context(), "a-b", nil); code(err) != "InvalidResourceName" {
		t.Errorf("bad name: %v", err)
	}
	top := int32(1)
	pages, names := 0, []string{}
	if _, err := sdk(t, server).CreateTable(t.Context(), "another", nil); err != nil {
		t.Fatal(err)
	}
	for pager := sdk(t, server).NewListTablesPager(&aztables.ListTablesOptions{Top: &top}); pager.More(); pages++ {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.Tables {
			names = append(names, *p.Name)
		}
	}
	if pages != 2 || strings.Join(names, " ") != "another lanes" {
		t.Errorf("%d pages: %v", pages, names)
	}
}

// Filters, selections and pages as other tools than ours use them.
func TestTheServerAnswersQueries(t *testing.T) {
	_, client := table(t)
	for i := range 7 {
		more := fmt.Sprintf(`,"n":%d,"even":%v`, i, i%2 == 0)
		if _, err := client.AddEntity(t.Context(), entity("p", fmt.Sprint("r", i), more), nil); err != nil {
			t.Fatal(err)
		}
	}
	filter, fields, top := "n ge 2 and even eq true", "RowKey,n", int32(1)
	var got []string
	pager := client.NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: &filter, Select: &fields, Top: &top})
	for pager.More() {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Entities) > 1 {
			t.Errorf("a page of %d", len(page.Entities))
		}
		for _, e := range page.Entities {
			var fields map[string]any
			if err := json.Unmarshal(e, &fields); err != nil {
				t.Fatal(err)
			}
			delete(fields, "odata.etag")
			got = append(got, fmt.Sprint(fields))
		}
	}
	if want := "map[RowKey:r2 n:2] map[RowKey:r4 n:4] map[RowKey:r6 n:6]"; strings.Join(got, " ") != want {
		t.Errorf("%s, want %s", got, want)
	}
	bad := "n ge"
	if _, err := client.NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: &bad}).NextPage(t.Context()); code(err) != "InvalidInput" {
		t.Errorf("bad filter: %v", err)
	}
	top = 1001
	if _, err := client.NewListEntitiesPager(&aztables.ListEntitiesOptions{Top: &top}).NextPage(t.Context()); code(err) != "InvalidInput" {
		t.Errorf("$top 1001: %v", err)
	}
	token := "1!2!xx"
	if _, err := client.NewListEntitiesPager(&aztables.ListEntitiesOptions{NextPartitionKey: &token}).NextPage(t.Context()); code(err) != "InvalidInput" {
		t.Errorf("forged continuation: %v", err)
	}
}

func TestOnlySignedRequestsAreServed(t *testing.T) {
	server, _ := start(t, nil)
	wrong := strings.Replace(server.ConnectionString(), "Eby8", "Xby8", 1)
	a := connect(t, wrong, nil)
	if err := a.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "403 AuthenticationFailed") {
		t.Errorf("wrong key: %v", err)
	}
	for name, header := range map[string]string{"none": "", "other scheme": "Bearer x", "no signature": "SharedKeyLite devstoreaccount1:", "other account": "SharedKeyLite other:AAAA"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL()+"/Tables", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", header)
		req.Header.Set("x-ms-date", time.Now().UTC().Format(http.TimeFormat))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
	}
}

func TestTheServerListensOnLoopbackOnly(t *testing.T) {
	if _, err := tables.Start(tables.NewStore(nil), "0.0.0.0:0", nil); err == nil {
		t.Error("it listens to everybody")
	}
}

// Azurite takes these for the syntax of its own patterns; here they are keys.
func TestKeysThatLookLikeSyntax(t *testing.T) {
	_, overHTTP := start(t, nil)
	for name, a := range map[string]state.Tables{"twin": tables.NewStore(nil).Direct(), "server": overHTTP} {
		for _, key := range []string{"RowKey=", "','", "',RowKey='", "')", "%27", "%2F"} {
			change := func(action state.Action, row string) state.Change {
				return state.Change{Action: action, Entity: state.Entity{Partition: key, Row: row, Props: map[string]any{"wide": strings.Repeat("😀", 16<<10)}}}
			}
			if _, err := a.Apply(t.Context(), "lanes", []state.Change{change(state.Insert, key), change(state.Insert, "")}); err != nil {
				t.Errorf("%s: insert %q: %v", name, key, err)
			}
			if e, err := a.Get(t.Context(), "lanes", key, key); err != nil || e.Partition != key || e.Row != key {
				t.Errorf("%s: get %q: %v", name, key, err)
			}
			if _, err := a.Apply(t.Context(), "lanes", []state.Change{change(state.Delete, key), change(state.Delete, "")}); err != nil {
				t.Errorf("%s: delete %q: %v", name, key, err)
			}
		}
	}
}

// The clock is the caller's, and ETags change even when it stands still.
func TestTimestampsComeFromTheInjectedClock(t *testing.T) {
	noon := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	store := tables.NewStore(func() time.Time { return noon })
	server, err := tables.Start(store, "127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	a := connect(t, server.ConnectionString(), nil)
	first, err := a.Apply(t.Context(), "lanes", put("a"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := store.Direct().Apply(t.Context(), "lanes", put("b"))
	if err != nil {
		t.Fatal(err)
	}
	if first[0] != `W/"datetime'2026-12-01T12%3A00%3A00.0000000Z'"` || second[0] != `W/"datetime'2026-12-01T12%3A00%3A00.0000001Z'"` {
		t.Errorf("%s, %s", first, second)
	}
	filter := "Timestamp gt datetime'2026-12-01T12:00:00Z' and PartitionKey eq 'p'"
	page, err := sdk(t, server).NewClient("lanes").NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: &filter}).NextPage(t.Context())
	if err != nil || len(page.Entities) != 1 {
		t.Errorf("by Timestamp: %d rows, %v", len(page.Entities), err)
	}
}

// Together they would be more than an entity, which only the store can know.
func TestAMergeCannotOutgrowAnEntity(t *testing.T) {
	_, overHTTP := start(t, nil)
	for name, a := range map[string]state.Tables{"twin": tables.NewStore(nil).Direct(), "server": overHTTP} {
		for i := range 17 {
			props := map[string]any{fmt.Sprint("p", i): make([]byte, 62<<10)}
			changes := append(put(fmt.Sprint("other", i)), state.Change{Action: state.InsertOrMerge, Entity: state.Entity{Partition: "p", Row: "r", Props: props}})
			_, err := a.Apply(t.Context(), "lanes", changes)
			var refused *state.ChangeError
			if i < 16 && err != nil {
				t.Fatalf("%s: merge %d: %v", name, i, err)
			}
			if i == 16 && (!errors.As(err, &refused) || refused.Index != 1 || !errors.Is(err, state.ErrTooLarge)) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
