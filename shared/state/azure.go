package state

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

// Azure is Tables over Azure Table Storage, or anything that speaks its REST
// protocol, through aztables. It is safe for use by many goroutines. Every try is
// bounded by Options.Timeout and by the caller's context. Reads are tried up to
// three times, quickly; writes once (see newAzure). Errors name table, status and
// code, never keys, values or URLs.
type Azure struct {
	service  *aztables.ServiceClient
	client   *http.Client
	endpoint string // without a slash at its end
	timeout  time.Duration
}

var _ Tables = (*Azure)(nil)

const maxPage = 1000 // rows, the service's own limit

// Get implements Tables.
func (a *Azure) Get(ctx context.Context, table, partition, row string) (Entity, error) {
	if err := errors.Join(CheckTable(table), CheckKeys(partition, row)); err != nil {
		return Entity{}, fmt.Errorf("state.Get: %w", err)
	}
	var e Entity
	err := a.withTable(ctx, table, func(client *aztables.Client) (err error) {
		e, err = a.get(ctx, client, partition, row)
		return err
	})
	if err != nil {
		return Entity{}, fmt.Errorf("state.Get %s: %w", table, err)
	}
	return e, nil
}

func (a *Azure) get(ctx context.Context, client *aztables.Client, partition, row string) (Entity, error) {
	var x exchange
	err := x.do(a.reading(ctx), func(ctx context.Context) error {
		_, err := client.GetEntity(ctx, partition, row, nil)
		return err
	})
	if err != nil {
		return Entity{}, err
	}
	if x.status != http.StatusOK {
		return Entity{}, x.refusal()
	}
	e, err := decodeEntity(x.answer)
	if err == nil && e.ETag == "" {
		e.ETag = x.header.Get("ETag")
	}
	return e, err
}

// Query implements Tables.
func (a *Azure) Query(ctx context.Context, table string, span Span) ([]Entity, error) {
	if err := errors.Join(CheckTable(table), CheckSpan(span)); err != nil {
		return nil, fmt.Errorf("state.Query: %w", err)
	}
	var rows []Entity
	err := a.withTable(ctx, table, func(client *aztables.Client) (err error) {
		rows, err = a.query(ctx, client, span)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("state.Query %s: %w", table, err)
	}
	return rows, nil
}

// query follows continuations, which may come with any page, an empty one too.
func (a *Azure) query(ctx context.Context, client *aztables.Client, span Span) ([]Entity, error) {
	rows := []Entity{}
	filter := spanFilter(span)
	options := aztables.ListEntitiesOptions{Filter: &filter}
	for {
		if span.Limit > 0 {
			top := int32(min(span.Limit-len(rows), maxPage))
			options.Top = &top
		}
		var x exchange
		err := x.do(a.reading(ctx), func(ctx context.Context) error {
			_, err := client.NewListEntitiesPager(&options).NextPage(ctx)
			return err
		})
		if err != nil {
			return nil, err
		}
		if x.status != http.StatusOK {
			return nil, x.refusal()
		}
		if rows, err = decodeEntities(x.answer, rows); err != nil {
			return nil, err
		}
		if span.Limit > 0 && len(rows) >= span.Limit {
			return rows[:span.Limit], nil
		}
		options.NextPartitionKey = header(x.header, "x-ms-continuation-NextPartitionKey")
		options.NextRowKey = header(x.header, "x-ms-continuation-NextRowKey")
		if options.NextPartitionKey == nil && options.NextRowKey == nil {
			return rows, nil
		}
	}
}

func header(h http.Header, name string) *string {
	if v := h.Get(name); v != "" {
		return &v
	}
	return nil
}

func spanFilter(span Span) string {
	var b strings.Builder
	b.WriteString("PartitionKey eq '" + keyText(span.Partition) + "'")
	if span.From != "" {
		b.WriteString(" and RowKey ge '" + keyText(span.From) + "'")
	}
	if span.Before != "" {
		b.WriteString(" and RowKey lt '" + keyText(span.Before) + "'")
	}
	return b.String()
}

// Apply implements Tables.
func (a *Azure) Apply(ctx context.Context, table string, changes []Change) ([]string, error) {
	if len(changes) == 0 {
		return nil, nil
	}
	if err := Check(table, changes); err != nil {
		return nil, fmt.Errorf("state.Apply: %w", err)
	}
	var tags []string
	err := a.withTable(ctx, table, func(client *aztables.Client) (err error) {
		if len(changes) == 1 {
			tags, err = a.single(ctx, client, &changes[0])
		} else {
			tags, err = a.batch(ctx, client, table, changes)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("state.Apply %s: %w", table, err)
	}
	return tags, nil
}

// single sends one change as a plain request.
func (a *Azure) single(ctx context.Context, client *aztables.Client, c *Change) ([]string, error) {
	x := exchange{quiet: c.Action == Insert}
	if c.Action != Delete {
		x.body, x.contentType = appendEntity(nil, &c.Entity), "application/json"
	}
	if err := x.do(ctx, func(ctx context.Context) error { return sendSingle(ctx, client, c) }); err != nil {
		return nil, err
	}
	if x.status != http.StatusNoContent && (x.status != http.StatusCreated || c.Action != Insert) {
		err := x.refusal()
		if known(err) {
			err = &ChangeError{Index: 0, Err: err}
		}
		return nil, err
	}
	if c.Action == Delete {
		return []string{""}, nil
	}
	return tagsOf([]outcome{{etag: x.header.Get("ETag")}}, []Change{*c})
}

// sendSingle lets the SDK build the request; the entity it gets is only the keys,
// for the URL.
func sendSingle(ctx context.Context, client *aztables.Client, c *Change) (err error) {
	keys := appendEntity(nil, &Entity{Partition: c.Entity.Partition, Row: c.Entity.Row})
	tag := azcore.ETag(ifMatch(c))
	switch c.Action {
	case Insert:
		_, err = client.AddEntity(ctx, keys, nil)
	case InsertOrReplace:
		_, err = client.UpsertEntity(ctx, keys, &aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeReplace})
	case InsertOrMerge:
		_, err = client.UpsertEntity(ctx, keys, &aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeMerge})
	case Replace:
		_, err = client.UpdateEntity(ctx, keys, &aztables.UpdateEntityOptions{IfMatch: &tag, UpdateMode: aztables.UpdateModeReplace})
	case Merge:
		_, err = client.UpdateEntity(ctx, keys, &aztables.UpdateEntityOptions{IfMatch: &tag, UpdateMode: aztables.UpdateModeMerge})
	case Delete:
		_, err = client.DeleteEntity(ctx, c.Entity.Partition, c.Entity.Row, &aztables.DeleteEntityOptions{IfMatch: &tag})
	}
	return err
}

// batch sends an entity group transaction. The SDK is given a stand-in of one
// action, whose body the exchange replaces.
func (a *Azure) batch(ctx context.Context, client *aztables.Client, table string, changes []Change) ([]string, error) {
	x := exchange{body: appendBatch(make([]byte, 0, 1536*len(changes)), a.endpoint, table, changes), contentType: batchType}
	standIn := []aztables.TransactionAction{{ActionType: aztables.TransactionTypeDelete, Entity: []byte(`{"PartitionKey":"p","RowKey":"r"}`)}}
	err := x.do(ctx, func(ctx context.Context) error {
		_, err := client.SubmitTransaction(ctx, standIn, nil)
		return err
	})
	if err != nil {
		return nil, err
	}
	if x.status != http.StatusAccepted {
		return nil, x.refusalOfAll()
	}
	out, err := parseBatch(x.answer)
	if err != nil {
		return nil, err
	}
	if last := out[len(out)-1]; last.status >= 300 {
		return nil, batchRefusal(out, len(changes))
	}
	return tagsOf(out, changes)
}

func batchRefusal(out []outcome, n int) error {
	last := out[len(out)-1]
	err := refused(last.status, last.fault.code)
	if !known(err) {
		return err
	}
	at, atErr := refusedAt(out, n)
	if atErr != nil {
		return fmt.Errorf("%w (%v)", atErr, err)
	}
	return &ChangeError{Index: at, Err: err}
}

// tagsOf checks that an answer is complete: one part per change, an ETag for each
// that stored something.
func tagsOf(out []outcome, changes []Change) ([]string, error) {
	if len(out) != len(changes) {
		return nil, fmt.Errorf("%w: %d answers to %d changes", errBatch, len(out), len(changes))
	}
	tags := make([]string, len(changes))
	for i := range out {
		if changes[i].Action == Delete {
			continue
		}
		if tags[i] = out[i].etag; tags[i] == "" {
			return nil, fmt.Errorf("%w: change %d has no ETag", errBatch, i)
		}
	}
	return tags, nil
}

// withTable makes the table when call finds that it is missing, and repeats it
// once: a call refused for that reason has done nothing.
func (a *Azure) withTable(ctx context.Context, table string, call func(*aztables.Client) error) error {
	client := a.service.NewClient(table)
	err := call(client)
	if !errors.Is(err, errNoTable) {
		return err
	}
	if err := a.createTable(ctx, client); err != nil {
		return fmt.Errorf("making the table: %w", err)
	}
	return call(client)
}

// createTable succeeds when somebody else was faster. A table being deleted is an
// error until the service has forgotten it.
func (a *Azure) createTable(ctx context.Context, client *aztables.Client) error {
	x := exchange{quiet: true}
	err := x.do(ctx, func(ctx context.Context) error {
		_, err := client.CreateTable(ctx, nil)
		return err
	})
	if err != nil {
		return err
	}
	if x.status == http.StatusCreated || x.status == http.StatusNoContent {
		return nil
	}
	if x.status == http.StatusConflict && parseFault(x.answer).code == "TableAlreadyExists" {
		return nil
	}
	return x.refusal()
}

// Ping asks the service for one table name: nil when it can be reached and lets
// us in. Health uses it.
func (a *Azure) Ping(ctx context.Context) error {
	var x exchange
	one := int32(1)
	err := x.do(ctx, func(ctx context.Context) error {
		_, err := a.service.NewListTablesPager(&aztables.ListTablesOptions{Top: &one}).NextPage(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("state.Ping: %w", err)
	}
	if x.status != http.StatusOK {
		return fmt.Errorf("state.Ping: %w", x.refusal())
	}
	return nil
}

// Close closes idle connections.
func (a *Azure) Close() { a.client.CloseIdleConnections() }

// reading lets a read be tried again, twice and quickly: it changes nothing.
func (a *Azure) reading(ctx context.Context) context.Context {
	return policy.WithRetryOptions(ctx, policy.RetryOptions{
		MaxRetries:    2,
		TryTimeout:    a.timeout,
		RetryDelay:    50 * time.Millisecond,
		MaxRetryDelay: 500 * time.Millisecond,
	})
}
