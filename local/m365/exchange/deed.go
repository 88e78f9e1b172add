package exchange

import (
	"net/http"
	"slices"
)

// Deed is one thing that the owner of a mailbox does in Outlook, in words, so that
// pages and controls can pass it on. Each Do uses the fields that its comment names.
type Deed struct {
	Do    string // one of Deeds
	Event string // id of the event; none for add and import

	Subject      string   // add, retitle
	Body         string   // write: HTML
	Above, Below string   // write-around: HTML
	Start, End   Time     // add, move, paste
	Invite       []string // invite: addresses to add
	Minutes      int      // remind: before the start; negative for none
	Categories   []string // categorize: none clears them
	Status       string   // show-as: free, tentative, busy, oof, workingElsewhere
	Sensitivity  string   // mark: normal, personal, private, confidential
	Response     string   // answer: accepted, tentativelyAccepted, declined
	File         []byte   // import: a calendar file
	Calendar     string   // file: id of another calendar
}

// Deeds lists what Deed.Do can be.
func Deeds() []string {
	return []string{"add", "retitle", "write", "write-around", "move", "copy", "paste", "invite", "remind", "categorize", "show-as", "mark", "answer", "meet", "delete", "file", "import"}
}

// Do does a deed. It returns the id of the event that was made: of add, copy and paste.
func (o Owner) Do(d Deed) (made string, err error) {
	var e Event
	switch d.Do {
	case "add":
		e, err = o.Create(Change{Subject: &d.Subject, Start: &d.Start, End: &d.End})
	case "retitle":
		err = o.Retitle(d.Event, d.Subject)
	case "write":
		err = o.Write(d.Event, d.Body)
	case "write-around":
		err = o.WriteAround(d.Event, d.Above, d.Below)
	case "move":
		err = o.Move(d.Event, d.Start, d.End)
	case "copy":
		e, err = o.Copy(d.Event)
	case "paste":
		e, err = o.Paste(d.Event, d.Start, d.End)
	case "invite":
		err = o.Invite(d.Event, d.Invite...)
	case "remind":
		err = o.Remind(d.Event, d.Minutes)
	case "categorize":
		err = o.Categorize(d.Event, d.Categories...)
	case "show-as":
		err = o.ShowAs(d.Event, d.Status)
	case "mark":
		_, err = o.Change(d.Event, Change{Sensitivity: &d.Sensitivity})
	case "answer":
		err = o.Answer(d.Event, d.Response)
	case "meet":
		err = o.Meet(d.Event)
	case "delete":
		err = o.Delete(d.Event)
	case "file":
		_, err = o.File(d.Event, d.Calendar)
	case "import":
		_, err = o.Import(d.File)
	default:
		err = refuse(http.StatusBadRequest, "BadRequest", "Nobody can do that.")
	}
	return e.ID, err
}

// CanDo reports whether there is such a deed.
func CanDo(do string) bool { return slices.Contains(Deeds(), do) }
