package m365_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// The forms of the page do each deed; the page shows what it came to.
func TestTheFormsOfThePageDoEveryDeed(t *testing.T) {
	w := start(t)
	w.must(201, "POST", "/v1.0/users/"+aino+"/events", flight)
	id := w.Exchange.Events(acme, aino)[0].ID
	do := func(want int, values ...string) {
		t.Helper()
		form := url.Values{"tenant": {acme}, "user": {aino}, "event": {id}, "day": {"2026-12-01"}}
		for i := 0; i < len(values); i += 2 {
			form.Set(values[i], values[i+1])
		}
		resp, err := http.PostForm(w.url+"/calendars/do", form)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%v: %d, want %d", values, resp.StatusCode, want)
		}
	}
	event := func() exchange.Event {
		t.Helper()
		e, err := w.Exchange.Event(acme, aino, id)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	times := []string{"start", "2026-12-03T10:00", "startZone", "Europe/Helsinki", "end", "2026-12-03T11:30", "endZone", "Europe/London"}
	do(200, append(times, "action", "move")...)
	if e := event(); e.Start.DateTime != "2026-12-03T10:00:00" || e.End.Zone != "Europe/London" {
		t.Errorf("moved to %v, %v", e.Start, e.End)
	}
	do(200, "action", "remind", "reminder", "45")
	do(200, "action", "categorize", "categories", "Mine, Blue category")
	do(200, "action", "show-as", "showAs", "oof")
	do(200, "action", "mark", "sensitivity", "private")
	do(200, "action", "write-around", "above", "<b>bring</b> it", "below", "and that")
	do(200, "action", "meet")
	do(200, "action", "invite", "invite", "guest@else.example, other@else.example")
	e := event()
	text := exchange.Text(e.Body)
	if !e.ReminderOn || e.ReminderMinutes != 45 || !slices.Equal(e.Categories, []string{"Mine", "Blue category"}) || e.ShowAs != "oof" || e.Sensitivity != "private" ||
		!strings.HasPrefix(text, "<b>bring</b> it") || !strings.Contains(text, "and that") || e.JoinURL == "" || len(e.Attendees) != 2 {
		t.Errorf("after the forms: %+v", e)
	}
	do(200, "action", "remind", "reminder", "")
	if event().ReminderOn {
		t.Error("an empty reminder left it on")
	}
	page := w.must(200, "GET", "/calendars/week?tenant="+acme+"&user="+aino+"&day=2026-12-03", "")
	for _, want := range []string{`value="2026-12-03T10:00"`, "Mine, Blue category", "guest@else.example", `value="oof"`, `value="private"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	do(200, append(times, "action", "paste")...)
	if n := len(w.Exchange.Events(acme, aino)); n != 2 {
		t.Errorf("%d events after a paste", n)
	}
	do(200, append(times, "action", "add", "subject", "Of <their> own")...)
	all := w.Exchange.Events(acme, aino)
	if i := slices.IndexFunc(all, func(e exchange.Event) bool { return e.Subject == "Of <their> own" }); len(all) != 3 || i < 0 || all[i].Start.Zone != "Europe/Helsinki" || len(all[i].Properties) != 0 {
		t.Errorf("after an addition: %+v", all)
	}
	do(400, "action", "add", "subject", "x", "start", "soon")
	do(400, "action", "mark", "sensitivity", "cosmic")
	do(400, "action", "answer:accepted") // the organiser cannot
	do(400, "action", "remind", "reminder", "soon")
	do(400, "action", "move", "start", "x")
	do(400, "action", "show-as", "showAs", "asleep")
	do(400, "action", "import")
	do(200, "action", "delete")
}

func TestACalendarFileIsImportedOnThePageAndAMeetingAnswered(t *testing.T) {
	w := start(t)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range map[string]string{"tenant": acme, "user": aino, "action": "import"} {
		form.WriteField(name, value)
	}
	file, err := form.CreateFormFile("file", "booking.ics")
	if err != nil {
		t.Fatal(err)
	}
	file.Write([]byte("BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:u1\r\nORGANIZER:mailto:bo@x.example\r\nSUMMARY:Theirs\r\nDTSTART:20261201T100000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"))
	form.Close()
	resp, err := http.Post(w.url+"/calendars/do", form.FormDataContentType(), &body)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	all := w.Exchange.Events(acme, aino)
	if resp.StatusCode != 200 || len(all) != 1 || all[0].Subject != "Theirs" {
		t.Fatalf("%d, %+v", resp.StatusCode, all)
	}
	page := w.must(200, "GET", "/calendars/week?tenant="+acme+"&user="+aino+"&day=2026-12-01", "")
	if !strings.Contains(page, "answer:accepted") || !strings.Contains(page, "bo@x.example") {
		t.Error("the page does not offer an answer")
	}
	graph := w.must(200, "GET", "/v1.0/users/"+aino+"/events", "")
	if !strings.Contains(graph, `"isOrganizer":false`) || !strings.Contains(graph, `"response":"notResponded"`) {
		t.Errorf("Graph says %s", graph)
	}
	answer := url.Values{"tenant": {acme}, "user": {aino}, "event": {all[0].ID}, "action": {"answer:accepted"}}
	if resp, err = http.PostForm(w.url+"/calendars/do", answer); err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	if e := w.Exchange.Events(acme, aino)[0]; e.Response != "accepted" || len(w.Exchange.Mails()) != 1 {
		t.Errorf("%s, mails %v", e.Response, w.Exchange.Mails())
	}
}
