package graph_test

import (
	"strings"
	"testing"

	"github.com/calbridge/calbridge/shared/graph"
)

func TestUIDsAreWrappedAsExchangeDoes(t *testing.T) {
	outlook := "040000008200E00074C5B7101A82E00800000000E040C9C12685C4010000000000000000100000000BF0ED4B6E4EE94E9E39E3867B378EF3"
	tests := []struct{ source, uid, want string }{
		{"[MS-ASEMAIL] 4.3, example 2: 51 bytes of data, 38 of them the UID", "{81412D3C-2A24-4E9D-B20E-11F7BBE92799}",
			"040000008200E00074C5B7101A82E00800000000000000000000000000000000000000003300" +
				"00007643616C2D556964010000007B38313431324433432D324132342D344539442D423230452D3131463742424539323739397D00"},
		{"[MS-ASEMAIL] 4.3, example 1: Outlook's own", outlook, outlook},
		{"the same in lower case", strings.ToLower(outlook), strings.ToLower(outlook)},
		{"[MS-OXCICAL]: shorter than 82 digits is a third party's", "040000008200E00074C5B7101A82E008",
			"040000008200E00074C5B7101A82E00800000000000000000000000000000000000000002D0000007643616C2D55696401000000" +
				"303430303030303038323030453030303734433542373130314138324530303800"},
	}
	for _, test := range tests {
		if got := graph.WrappedUID(test.uid); got != test.want {
			t.Errorf("%s:\n%s, want\n%s", test.source, got, test.want)
		}
		if !graph.SameUID(test.want, test.uid) || !graph.SameUID(strings.ToLower(test.want), test.uid) || !graph.SameUID(test.uid, test.uid) {
			t.Errorf("%s: not known again", test.source)
		}
		if again := graph.WrappedUID(test.want); again != test.want {
			t.Errorf("%s: wrapped twice: %s", test.source, again)
		}
	}
	if odd := outlook + "0"; graph.WrappedUID(odd) == odd {
		t.Error("an odd number of digits was taken for Outlook's own")
	}
	if graph.SameUID("", "") || graph.SameUID("a", "b") || graph.SameUID(graph.WrappedUID("a"), "b") {
		t.Error("strangers are the same")
	}
}

func TestWhatIsNoUIDIsNotSearchedFor(t *testing.T) {
	for uid, want := range map[string]bool{"a@b": true, "o'hara {1}": true, strings.Repeat("x", 255): true,
		"": false, "a\nb": false, "ä": false, "a\x00": false, strings.Repeat("x", 256): false} {
		if graph.FitUID(uid) != want {
			t.Errorf("%q: %t, want %t", uid, !want, want)
		}
	}
}
