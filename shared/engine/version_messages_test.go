package engine

import (
	"context"
	"flag"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/queue/queuetest"
	"github.com/calbridge/calbridge/shared/version"
)

var update = flag.Bool("update", false, "write the messages of the current version anew")

// noBus takes nothing: whatever is sent fails the test.
type noBus struct{ *testing.T }

func (b noBus) Send(_ context.Context, entity string, messages ...queue.Message) error {
	b.Errorf("sent to %s: %s %s", entity, messages[0].ID, messages[0].Body)
	return nil
}

// Wake-ups and tasks of the engine, as each version wrote them, are read by that version
// and the next.
func TestMessagesAreReadByTheirVersionAndTheNext(t *testing.T) {
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	lane, conn := key.Lane("acme", key.User, "u-1"), key.Of("test", "connection")
	tasks := map[string]task{
		"backfill":               {Op: opBackfill, Organization: "acme", Cause: "settings"},
		"backfill of a lane":     {Op: opBackfill, Organization: "acme", Lane: lane.String(), Cause: causeTakeover},
		"probe":                  {Op: opProbe, Organization: "acme", Lane: lane.String(), Cause: "daily"},
		"probe of a connection":  {Op: opProbe, Organization: "acme", Connection: conn.String(), Cause: "subscription"},
		"keepalive":              {Op: opKeepAlive, Organization: "acme", Connection: conn.String(), Cause: "daily"},
		"move":                   {Op: opMove, Organization: "acme", Lane: lane.String(), Cause: "connected"},
		"disconnect":             {Op: opDisconnect, Organization: "acme", Connection: conn.String(), Cause: "person"},
		"disconnect all":         {Op: opDisconnect, Organization: "acme", Cause: "deleted"},
		"disconnect all, people": {Op: opDisconnect, Organization: "acme", Cause: causePeople},
	}
	now := map[string]queue.Message{"wake": wake(lane, time.Time{}), "give-up": giveUpMessage(lane, noon, time.Time{})}
	for name, one := range tasks {
		now[name] = one.message(noon)
	}
	now["backfill, second page"] = tasks["backfill"].message(noon).With(afterProperty, lane.String()).With(chainProperty, "c")
	now["keepalive, third attempt"] = now["keepalive"].With(queue.AttemptProperty, int64(2)).With(queue.TraceProperty, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	now["move, a dead letter"] = now["move"].With(queue.RoundProperty, int64(2))
	for v, messages := range queuetest.Golden(t, *update, now) {
		for own := v; own <= v+1; own++ {
			readMessages(t, own, messages, lane, noon, tasks)
		}
		for _, old := range []version.Version{v - 1, v + 2} {
			e := New(Effects{Bus: noBus{t}}, &Options{Version: old})
			if _, err := e.readWake(messages["give-up"]); old > 0 && !version.Is(err) {
				t.Errorf("version %d reads one of %d: %v", old, v, err)
			}
		}
	}
}

func readMessages(t *testing.T, own version.Version, messages map[string]queue.Message, lane key.Key, noon time.Time, tasks map[string]task) {
	t.Helper()
	e := New(Effects{Bus: noBus{t}}, &Options{Version: own})
	for name, before := range map[string]time.Time{"wake": {}, "give-up": noon} {
		m := messages[name]
		if got, err := e.readWake(m); err != nil || !got.Equal(before) || m.SessionID != lane.String() {
			t.Errorf("version %d, %s: %v, %v", own, name, got, err)
		}
	}
	for name, want := range tasks {
		got, err := queue.ReadTask(messages[name], own)
		want.V = got.V
		if err != nil || task(got) != want || messages[name].SessionID == "" {
			t.Errorf("version %d, %s: %+v, %v", own, name, got, err)
		}
	}
	page, third, dead := messages["backfill, second page"], messages["keepalive, third attempt"], messages["move, a dead letter"]
	if page.Text(afterProperty) != lane.String() || page.Text(chainProperty) != "c" || third.Number(queue.AttemptProperty) != 2 ||
		third.Text(queue.TraceProperty) == "" || dead.Number(queue.RoundProperty) != 2 {
		t.Errorf("version %d: %v, %v, %v", own, page.Properties, third.Properties, dead.Properties)
	}
}
