package tables

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/calbridge/calbridge/shared/state"
	"github.com/calbridge/calbridge/shared/state/rowjson"
)

// get answers for one row.
func (s *Server) get(r *http.Request, at address) reply {
	return s.attempt(Operation{Kind: KindGet, Table: at.table, Partition: at.partition, Row: at.row}, func() reply {
		for _, key := range []string{at.partition, at.row} {
			if err := checkKey(key); err != nil {
				return s.refused(err)
			}
		}
		found, err := s.store.get(at.table, at.partition, at.row)
		if err != nil {
			return s.refused(err)
		}
		if found == nil {
			return s.refused(refuse("ResourceNotFound"))
		}
		return reply{status: http.StatusOK, etag: found.etag, body: s.document(r, at.table, found)}
	})
}

func (s *Server) document(r *http.Request, table string, found *row) []byte {
	if !metadata(r.Header) {
		return appendRow(nil, found, false, nil)
	}
	b := rowjson.AppendString([]byte(`{"odata.metadata":`), s.URL()+"/$metadata#"+table+"/@Element")
	return append(append(b, ','), appendRow(nil, found, true, nil)[1:]...)
}

// selection is what a query asks for.
type selection struct {
	filter expr
	bounds bounds
	from   between
	begun  bool // a continuation was given
	top    int
	names  []string // nil: all
}

func (s *Server) selection(q url.Values) (selection, error) {
	sel := selection{top: s.options.PageSize, begun: q.Has("NextPartitionKey")}
	for name := range q {
		switch name {
		case "$filter", "$top", "$select", "$format", "NextPartitionKey", "NextRowKey", "timeout":
		default:
			return sel, refuse("NotImplemented")
		}
	}
	if text := q.Get("$filter"); text != "" {
		var err error
		if sel.filter, err = parseFilter(text); err != nil {
			return sel, refuse("InvalidInput")
		}
		sel.bounds = boundsOf(sel.filter)
	}
	if text := q.Get("$top"); text != "" {
		top, err := strconv.Atoi(text)
		if err != nil || top < 1 || top > maxPage {
			return sel, refuse("InvalidInput")
		}
		sel.top = min(top, sel.top)
	}
	if text := q.Get("$select"); text != "" && text != "*" {
		for name := range strings.SplitSeq(text, ",") {
			sel.names = append(sel.names, strings.TrimSpace(name))
		}
	}
	var err error
	if sel.from.partition, err = continued(q.Get("NextPartitionKey")); err != nil {
		return sel, err
	}
	sel.from.row, err = continued(q.Get("NextRowKey"))
	return sel, err
}

// query answers with one page.
func (s *Server) query(r *http.Request, at address) reply {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return s.refused(refuse("InvalidInput"))
	}
	sel, err := s.selection(q)
	if err != nil {
		return s.refused(err)
	}
	return s.attempt(Operation{Kind: KindQuery, Table: at.table}, func() reply {
		rows, next, err := s.page(at.table, sel)
		if err != nil {
			return s.refused(err)
		}
		return reply{status: http.StatusOK, next: next, body: s.feed(r, at.table, rows, sel.names)}
	})
}

// page collects at most top rows and says where the next page begins, if there
// is one.
func (s *Server) page(table string, sel selection) (rows []*row, next *between, err error) {
	top := sel.top
	if s.options.EmptyPages && !sel.begun {
		top = 0
	}
	err = s.store.scan(table, sel.from, sel.bounds, func(r *row) bool {
		if sel.filter != nil && !sel.filter.holds(r) {
			return true
		}
		if len(rows) == top {
			next = &between{r.partition, r.key}
			return false
		}
		rows = append(rows, r)
		return true
	})
	return rows, next, err
}

func (s *Server) feed(r *http.Request, table string, rows []*row, names []string) []byte {
	meta := metadata(r.Header)
	b := make([]byte, 0, 256+512*len(rows))
	b = append(b, '{')
	if meta {
		b = rowjson.AppendString(append(b, `"odata.metadata":`...), s.URL()+"/$metadata#"+table)
		b = append(b, ',')
	}
	b = append(b, `"value":[`...)
	for i, r := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendRow(b, r, meta, names)
	}
	return append(b, "]}"...)
}

// write makes one change.
func (s *Server) write(r *http.Request, at address, body []byte) reply {
	change, err := decodeChange(r.Method, at, r.Header, body)
	if err != nil {
		return s.refused(err)
	}
	op := Operation{Kind: kindOf(change.Action), Table: at.table, Partition: change.Entity.Partition, Row: change.Entity.Row, Changes: 1}
	return s.attempt(op, func() reply {
		written, err := s.store.apply(at.table, []state.Change{change})
		if err != nil {
			e := refusalOf(err)
			e.index = -1 // only transactions name it
			return s.refused(e)
		}
		return s.written(r, at.table, change.Action, written[0])
	})
}

func (s *Server) written(r *http.Request, table string, action state.Action, stored *row) reply {
	switch {
	case stored == nil:
		return reply{status: http.StatusNoContent}
	case action == state.Insert && r.Header.Get("Prefer") != "return-no-content":
		return reply{status: http.StatusCreated, etag: stored.etag, body: s.document(r, table, stored)}
	}
	return reply{status: http.StatusNoContent, etag: stored.etag}
}

func kindOf(action state.Action) Kind {
	switch action {
	case state.Insert:
		return KindInsert
	case state.Delete:
		return KindDelete
	case state.InsertOrReplace, state.Replace:
		return KindPut
	}
	return KindMerge
}

// decodeChange reads one write, alone or out of a transaction.
func decodeChange(method string, at address, h http.Header, body []byte) (state.Change, error) {
	c := state.Change{Entity: state.Entity{Partition: at.partition, Row: at.row}}
	var err error
	if c.Action, c.Entity.ETag, err = actionOf(method, at.keyed, h); err != nil {
		return c, err
	}
	if c.Action != state.Delete {
		if !strings.HasPrefix(h.Get("Content-Type"), "application/json") {
			return c, refuse("AtomFormatNotSupported")
		}
		if err := readEntity(&c, body); err != nil {
			return c, err
		}
	}
	return c, checkChange(&c)
}

func actionOf(method string, keyed bool, h http.Header) (state.Action, string, error) {
	tag := h.Get("If-Match")
	conditional := tag != ""
	switch {
	case tag == "*":
		tag = ""
	case conditional && (!strings.HasPrefix(tag, `W/"`) || !strings.HasSuffix(tag, `"`)):
		return 0, "", refuse("InvalidInput")
	}
	switch {
	case keyed != (method != http.MethodPost):
		return 0, "", refuse("MethodNotAllowed")
	case method == http.MethodPost && conditional:
		return 0, "", refuse("InvalidHeaderValue")
	case method == http.MethodPost:
		return state.Insert, "", nil
	case method == http.MethodPut && conditional:
		return state.Replace, tag, nil
	case method == http.MethodPut:
		return state.InsertOrReplace, "", nil
	case (method == http.MethodPatch || method == "MERGE") && conditional:
		return state.Merge, tag, nil
	case method == http.MethodPatch || method == "MERGE":
		return state.InsertOrMerge, "", nil
	case method == http.MethodDelete && conditional:
		return state.Delete, tag, nil
	case method == http.MethodDelete:
		return 0, "", refuse("MissingRequiredHeader")
	}
	return 0, "", refuse("MethodNotAllowed")
}

// readEntity fills in the properties, and the keys of an insert, which are in the
// body only. Elsewhere the body may repeat the keys of the URL.
func readEntity(c *state.Change, body []byte) error {
	d, err := readDocument(body)
	if err != nil {
		return err
	}
	partition, hasPartition := d.key("PartitionKey")
	row, hasRow := d.key("RowKey")
	switch {
	case c.Action == state.Insert && (!hasPartition || !hasRow):
		return refuse("PropertiesNeedValue")
	case c.Action == state.Insert:
		c.Entity.Partition, c.Entity.Row = partition, row
	case hasPartition && partition != c.Entity.Partition, hasRow && row != c.Entity.Row:
		return refuse("InvalidInput")
	}
	c.Entity.Props, err = d.props()
	return err
}
