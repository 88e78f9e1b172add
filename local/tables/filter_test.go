package tables

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func sampleRow() *row {
	return &row{
		partition: "p", key: "o'5", stamp: time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC),
		props: map[string]any{
			"n": int32(5), "wide": int64(1) << 40, "half": 0.5, "yes": true, "text": "b", "bytes": []byte{1, 2},
			"at": time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), "id": Guid("c9da6455-213d-42c9-9a79-3e9149a57833"),
		},
	}
}

func TestFiltersHold(t *testing.T) {
	for filter, want := range map[string]bool{
		"PartitionKey eq 'p'":                                           true,
		"PartitionKey eq 'p' and RowKey eq 'o''5'":                      true,
		"PartitionKey eq 'p' and RowKey ge 'o' and RowKey lt 'p'":       true,
		"PartitionKey eq 'p' and RowKey lt 'o'":                         false,
		"'p' eq PartitionKey":                                           true,
		"'p' gt RowKey":                                                 true,
		"n eq 5 and n ne 6 and n lt 6 and n le 5 and n gt 4 and n ge 5": true,
		"6 gt n":                               true,
		"n eq 5L":                              true,
		"n eq 5.0":                             true,
		"n gt 4.5":                             true,
		"wide eq 1099511627776":                true,
		"wide eq 1099511627776L":               true,
		"half lt 1":                            true,
		"half eq 5e-1":                         true,
		"half gt -1":                           true,
		"yes eq true":                          true,
		"yes ne false":                         true,
		"yes eq false":                         false,
		"text eq 'b'":                          true,
		"text gt 'a' and text lt 'c'":          true,
		"text eq 5":                            false,
		"none eq 1":                            false,
		"none ne 1":                            false,
		"not (none eq 1)":                      true,
		"not n eq 6":                           true,
		"at eq datetime'2026-12-01T00:00:00Z'": true,
		"at lt datetime'2026-12-01T00:00:00.0000001Z'":     true,
		"Timestamp ge datetime'2026-12-01T10:00:00Z'":      true,
		"id eq guid'C9DA6455-213d-42c9-9a79-3e9149a57833'": true,
		"bytes eq X'0102'":                   true,
		"bytes eq binary'0103'":              false,
		"n eq 1 or n eq 5":                   true,
		"n eq 1 or n eq 5 and text eq 'x'":   false,
		"(n eq 1 or n eq 5) and text eq 'b'": true,
		"((n eq 5))":                         true,
	} {
		e, err := parseFilter(filter)
		if err != nil {
			t.Errorf("%s: %v", filter, err)
		} else if got := e.holds(sampleRow()); got != want {
			t.Errorf("%s: %v", filter, got)
		}
	}
}

func TestBadFiltersAreRefused(t *testing.T) {
	for _, filter := range []string{
		"", "n", "n eq", "eq 5", "n eq 5 and", "n eq 5 n eq 6", "(n eq 5", "n eq 5)", "n = 5", "n EQ 5", "n eq 'x", "n eq x", "5 eq 5", "n eq n",
		"n eq 0x5", "n eq 1_0", "n eq 5LL", "n eq --5", "n eq inf", "a-b eq 5", "n eq datetime'x'", "n eq guid'1'", "n eq X'0'", "n eq foo'x'",
		"PartitionKey eq 5", "RowKey ge true", "Timestamp gt 'x'", "n add 1 eq 2", "startswith(RowKey,'x')",
		strings.Repeat("(", 100) + "n eq 5" + strings.Repeat(")", 100), strings.Repeat("not ", 100) + "n eq 5",
		strings.Repeat("n eq 5 and ", 15) + "n eq 5",
	} {
		if _, err := parseFilter(filter); !errors.Is(err, errFilter) {
			t.Errorf("%.60s: %v", filter, err)
		}
	}
}

// FuzzFilter: no filter stops the server, and the bounds taken out of one never
// exclude a row for which it holds.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{
		"PartitionKey eq 'p' and RowKey ge 'o' and RowKey lt 'p'", "not (n ge 5L or yes eq true)", "RowKey le 'o''5' and RowKey gt 'o'", "at gt datetime'2026-12-01T00:00:00Z'", "bytes eq X'01'",
	} {
		f.Add(seed, "p", "o'5")
	}
	f.Fuzz(func(t *testing.T, filter, partition, key string) {
		e, err := parseFilter(filter)
		if err != nil {
			return
		}
		r := sampleRow()
		r.partition, r.key = partition, key
		b := boundsOf(e)
		inside := (b.partition == nil || *b.partition == partition) && key >= b.from && (b.before == "" || key < b.before)
		if e.holds(r) && !inside {
			t.Fatalf("%q holds for (%q, %q), which its bounds leave out", filter, partition, key)
		}
	})
}
