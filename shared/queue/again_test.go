package queue

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/shared/version"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestEverySendingHasAnIdOfItsOwn(t *testing.T) {
	for _, id := range []string{"t", "a.b.7", strings.Repeat("x", MaxID)} {
		base := fmt.Sprintf("%.100s", id)
		m := Message{ID: id, SessionID: "s", ContentType: "application/json", Body: []byte("{}"), Properties: map[string]any{"after": "x"}}
		for n := 1; n <= 12; n++ {
			attempt := int64(n)
			if n > 5 {
				attempt = 0 // work that went on: attempts are counted anew, ids are not
			}
			m = m.Again(noon, map[string]any{AttemptProperty: attempt})
			want := Message{ID: fmt.Sprintf("%s.%d", base, n), SessionID: "s", ContentType: "application/json", Body: []byte("{}"), ScheduledFor: noon,
				Properties: map[string]any{"after": "x", AttemptProperty: attempt, "send": int64(n)}}
			if diff := cmp.Diff(want, m); diff != "" || m.Check() != nil {
				t.Fatalf("-want +got: %s", diff)
			}
			if m.Base() != base {
				t.Fatalf("base %q of %q", m.Base(), m.ID)
			}
		}
	}
}

// Messages of before sendings were counted: the id has the number of attempts, or base
// names the first one.
func TestAMessageOfBeforeSendingsWereCountedKeepsItsIds(t *testing.T) {
	for _, m := range []Message{
		{ID: "t.3", Properties: map[string]any{"attempt": int64(3)}},
		{ID: "t.3", Properties: map[string]any{"attempt": int64(3), "base": "t"}},
		{ID: "t.3", Properties: map[string]any{"attempt": int64(0), "send": int64(3), "base": "t"}},
	} {
		if next := m.Again(noon, nil); next.ID != "t.4" {
			t.Errorf("%v becomes %s", m, next.ID)
		}
	}
	dead := Message{ID: "t.3.d1", Properties: map[string]any{"round": int64(1)}}
	if next := dead.Again(noon, nil); next.ID != "t.3.d1.1" {
		t.Errorf("a dead letter becomes %s", next.ID)
	}
}

func TestAMessageWaitsADayForAnotherBuildAndNoLonger(t *testing.T) {
	m, now, sent := Message{ID: "t"}, noon, 0
	for {
		next, ok := m.Await(now, 0.5)
		if !ok {
			break
		}
		if wait := next.ScheduledFor.Sub(now); wait < awaitFirst || wait > awaitMost*6/5 {
			t.Fatalf("waits %v", wait)
		}
		m, now, sent = next, next.ScheduledFor, sent+1
	}
	if d := now.Sub(noon); d < awaitFor || d > awaitFor+2*awaitMost || sent > 180 {
		t.Errorf("given up after %v and %d sendings", d, sent)
	}
	if other := m.Again(now, nil); other.Number(AwaitProperty) != 0 {
		t.Error("a later failure of another kind remembers the wait")
	}
}

func TestATaskIsReadByItsOwnVersionAndTheNextOne(t *testing.T) {
	one := Task{Op: "sync", Organization: "acme", Connection: "c", Cause: "x"}.Message("s", noon)
	for own, reads := range map[version.Version]bool{0: true, 1: true, 2: true, 3: false} {
		got, err := ReadTask(one, own)
		if unreadable := (*version.Error)(nil); errors.As(err, &unreadable) == reads || reads && (got.Op != "sync" || got.Connection != "c") {
			t.Errorf("version %d: %+v, %v", own, got, err)
		}
	}
	for body, own := range map[string]version.Version{`{"v":2,"op":"sync"}`: 1, `{"v":2,"op":{"new":1}}`: 1, `{"v":-1,"op":"sync"}`: 1} {
		if unreadable := (*version.Error)(nil); !errors.As(second(ReadTask(Message{Body: []byte(body)}, own)), &unreadable) {
			t.Errorf("%s is read by version %d", body, own)
		}
	}
	if _, err := ReadTask(Message{Body: []byte(`{"op":"sync"}`)}, 2); err != nil {
		t.Errorf("without a version: %v", err)
	}
	for _, body := range []string{"", "{", "[]", `"x"`, `{"v":1}`, `{"v":1,"op":7}`, `{"v":"1","op":"sync"}`} {
		if malformed := (*Malformed)(nil); !errors.As(second(ReadTask(Message{Body: []byte(body)}, 1)), &malformed) {
			t.Errorf("%q is no malformed message", body)
		}
	}
}

func second(_ Task, err error) error { return err }

func FuzzReadTask(f *testing.F) {
	for _, s := range []string{`{"v":1,"op":"wake"}`, `{"v":2,"op":"x"}`, `{"v":1e3,"op":"x"}`, "{", `null`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := ReadTask(Message{Body: body}, 1)
		var unreadable *version.Error
		var malformed *Malformed
		if err == nil && (got.Op == "" || got.V != 0 && got.V != 1) || err != nil && !errors.As(err, &unreadable) && !errors.As(err, &malformed) {
			t.Errorf("%q: %+v, %v", body, got, err)
		}
	})
}
