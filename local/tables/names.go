package tables

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/calbridge/calbridge/shared/state"
	"github.com/calbridge/calbridge/shared/state/rowjson"
)

// Tables themselves: list, create, delete.

func (s *Server) listTables(r *http.Request) reply {
	q := r.URL.Query()
	top, from := maxPage, ""
	if text := q.Get("$top"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxPage {
			return s.refused(refuse("InvalidInput"))
		}
		top = n
	}
	if q.Get("$filter") != "" {
		return s.refused(refuse("NotImplemented"))
	}
	from, err := continued(q.Get("NextTableName"))
	if err != nil {
		return s.refused(err)
	}
	answer := reply{status: http.StatusOK, body: []byte(`{"value":[`)}
	n := 0
	for _, name := range s.store.tableNames() {
		if name < from {
			continue
		}
		if n == top {
			answer.table = name
			break
		}
		if n > 0 {
			answer.body = append(answer.body, ',')
		}
		answer.body = appendTableName(answer.body, name)
		n++
	}
	answer.body = append(answer.body, "]}"...)
	return answer
}

func appendTableName(b []byte, name string) []byte {
	return append(rowjson.AppendString(append(b, `{"TableName":`...), name), '}')
}

func (s *Server) createTable(r *http.Request, body []byte) reply {
	d, err := readDocument(body)
	if err != nil {
		return s.refused(err)
	}
	name, ok := d.key("TableName")
	if !ok || state.CheckTable(name) != nil || strings.EqualFold(name, "tables") {
		return s.refused(refuse("InvalidResourceName"))
	}
	return s.attempt(Operation{Kind: KindCreateTable, Table: name}, func() reply {
		if err := s.store.createTable(name); err != nil {
			return s.refused(err)
		}
		if r.Header.Get("Prefer") == "return-no-content" {
			return reply{status: http.StatusNoContent}
		}
		return reply{status: http.StatusCreated, body: appendTableName(nil, name)}
	})
}

func (s *Server) deleteTable(resource string) reply {
	name := strings.TrimSuffix(strings.TrimPrefix(resource, "Tables('"), "')")
	if state.CheckTable(name) != nil {
		return s.refused(refuse("InvalidResourceName"))
	}
	return s.attempt(Operation{Kind: KindDeleteTable, Table: name}, func() reply {
		if err := s.store.deleteTable(name); err != nil {
			return s.refused(err)
		}
		return reply{status: http.StatusNoContent}
	})
}
