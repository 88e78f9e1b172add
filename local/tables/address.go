package tables

import (
	"net/url"
	"strings"

	"github.com/calbridge/calbridge/shared/state"
)

// address is what a path below the account names.
type address struct {
	table          string
	keyed          bool // (PartitionKey='…',RowKey='…')
	partition, row string
}

// parseAddress reads an escaped path such as /lanes(PartitionKey='a',RowKey='b'),
// /lanes or /lanes(). What is escaped is data: only a plain slash would separate.
func parseAddress(escaped string) (address, error) {
	path, err := url.PathUnescape(strings.TrimPrefix(escaped, "/"))
	if err != nil || strings.Contains(strings.TrimPrefix(escaped, "/"), "/") {
		return address{}, refuse("InvalidInput")
	}
	name, rest, parens := strings.Cut(path, "(")
	if state.CheckTable(name) != nil {
		return address{}, refuse("InvalidResourceName")
	}
	a := address{table: name}
	if !parens || rest == ")" {
		return a, nil
	}
	a.keyed = true
	l := lexer{rest}
	var ok bool
	if a.partition, ok = l.named("PartitionKey="); !ok || !l.skip(",") {
		return address{}, refuse("InvalidInput")
	}
	l.skip(" ")
	if a.row, ok = l.named("RowKey="); !ok || l.rest != ")" {
		return address{}, refuse("InvalidInput")
	}
	return a, nil
}

func (l *lexer) skip(s string) bool {
	rest, ok := strings.CutPrefix(l.rest, s)
	l.rest = rest
	return ok
}

// named reads name'text'.
func (l *lexer) named(name string) (string, bool) {
	if !l.skip(name) || !strings.HasPrefix(l.rest, "'") {
		return "", false
	}
	return l.quoted()
}
