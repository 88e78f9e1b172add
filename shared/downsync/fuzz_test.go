package downsync_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/queue"
)

// Whatever lies on the queue: it is done, or handed back as nothing that can be read, and
// touches no other calendar.
func FuzzTask(f *testing.F) {
	f.Add([]byte(`{"v":1,"op":"sync","organization":"acme","connection":"x"}`), "a", int64(3))
	f.Add([]byte(`{"op":"sync","organization":"../x","connection":"aaaaaaaaaaaaaaaaaaaaaaaaaa"}`), "done", int64(-1))
	f.Add([]byte(`[]`), "turn", int64(1<<62))
	f.Fuzz(func(t *testing.T, body []byte, property string, n int64) {
		r := newRig(t, "")
		m := queue.Message{ID: "m", SessionID: downsync.Session(r.c), Body: body, Properties: map[string]any{property: n}}
		if err := r.syncer.Task(t.Context(), m); err != nil && !queue.Unread(err) {
			t.Fatal(err)
		}
		if len(r.topic) != 0 {
			t.Fatalf("something was told: %s", r.topic[0].Body)
		}
	})
}

// Whatever a page holds: what is told of it is JSON that fits a message, under one id for
// one thing, and an item that is told tells no more after a second reading.
func FuzzItem(f *testing.F) {
	f.Add("a", "1", 0, "", int64(0), int64(1), "busy", "normal", "t", "b", "UTC", []byte(`{}`), false)
	f.Add("\xff", "W/\"x\"", 1, "s", int64(1<<40), int64(-1), "", "private", "\u2028", "<script>", "Nowhere", []byte(`{"pattern":[],"range":{"x":1}}`), true)
	f.Add("d", "", 2, "a", int64(1), int64(1), "free", "", "", "", "tzone://Microsoft/Custom", []byte(`{"pattern":{`), false)
	f.Fuzz(func(t *testing.T, id, version string, kind int, series string, start, end int64, show, sensitivity, subject, body, zone string, rule []byte, allDay bool) {
		item := graph.Item{ID: id, ChangeKey: version, Kind: graph.ItemKind(uint(kind) % 4), Series: series, Start: time.Unix(start, 0), End: time.Unix(end, 0),
			ShowAs: show, Sensitivity: sensitivity, Subject: subject, Body: body, StartZone: zone, Recurrence: rule, AllDay: allDay}
		master := item
		master.ID, master.Kind = series, graph.Master
		r := newRig(t, "")
		r.reader = &script{pages: map[string]graph.DeltaPage{"": {Items: []graph.Item{item, master}, Delta: "d"}, "d": {Items: []graph.Item{item, master}, Delta: "d"}}}
		r.boot(nil)
		r.sync(downsync.CauseConnect)
		told := len(r.topic)
		for _, m := range r.topic {
			if !json.Valid(m.Body) || len(m.ID) != 36 {
				t.Fatalf("%q", m.Body)
			}
		}
		r.sync(downsync.CauseSchedule)
		if len(r.topic) != told {
			t.Fatalf("told again: %s", r.topic[told].Body)
		}
	})
}
