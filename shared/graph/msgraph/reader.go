package msgraph

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/calbridge/calbridge/shared/graph"
	"github.com/microsoftgraph/msgraph-sdk-go/users"
)

// maxDeltaPage bounds a page of changes, in bytes. A series is never split (contract 4.3),
// and there is no $select, so that a page is far longer than other answers are.
const maxDeltaPage = 32 << 20

// preferUTC asks for times in UTC. Like the form of ids it is in no token, and so goes
// along with every page (contract 4.3).
const preferUTC = `outlook.timezone="UTC"`

var _ graph.Reader = (*Client)(nil)

// selectItem is what a direct read asks for; a page of changes takes no $select.
var selectItem = []string{"id", "changeKey", "iCalUId", "type", "seriesMasterId", "originalStart", "start", "end", "originalStartTimeZone",
	"originalEndTimeZone", "isAllDay", "isCancelled", "isOrganizer", "isReminderOn", "reminderMinutesBeforeStart", "showAs", "sensitivity",
	"responseStatus", "subject", "location", "body", "organizer", "attendees", "categories", "recurrence"}

// Delta implements graph.Reader.
func (c *Client) Delta(ctx context.Context, as graph.Access, r graph.DeltaRequest) (graph.DeltaPage, error) {
	req, err := c.deltaRequest(ctx, as, r)
	if err != nil {
		return graph.DeltaPage{}, refused(err)
	}
	req.maxAnswer = maxDeltaPage
	req.prefer = []string{preferUTC}
	if r.PageSize > 0 {
		req.prefer = append(req.prefer, "odata.maxpagesize="+strconv.Itoa(r.PageSize))
	}
	answers, failure := c.authorised(ctx, as, []request{req})
	if failure != nil {
		return graph.DeltaPage{}, failure
	}
	page, failure := deltaPage(answers[0])
	if failure != nil {
		return graph.DeltaPage{}, failure
	}
	return page, nil
}

// deltaRequest is the first page's request, or that of a link.
func (c *Client) deltaRequest(ctx context.Context, as graph.Access, r graph.DeltaRequest) (request, error) {
	user, err := c.user(as.Path(r.Mailbox))
	if err != nil {
		return request{}, err
	}
	if r.Link != "" {
		return c.deltaLink(r.Link, as, r)
	}
	if r.From.IsZero() || !r.To.After(r.From) {
		return request{}, errors.New("no window")
	}
	from, to := r.From.UTC().Format(time.RFC3339), r.To.UTC().Format(time.RFC3339)
	if r.Calendar == "" {
		info, err := user.CalendarView().Delta().ToGetRequestInformation(ctx, &users.ItemCalendarViewDeltaRequestBuilderGetRequestConfiguration{
			QueryParameters: &users.ItemCalendarViewDeltaRequestBuilderGetQueryParameters{StartDateTime: &from, EndDateTime: &to}})
		return finish(info, err, "")
	}
	if !isSegment(r.Calendar) || len(r.Calendar) > graph.MaxFolderID {
		return request{}, errors.New("no id of a calendar")
	}
	info, err := user.Calendars().ByCalendarId(r.Calendar).CalendarView().Delta().ToGetRequestInformation(ctx,
		&users.ItemCalendarsItemCalendarViewDeltaRequestBuilderGetRequestConfiguration{
			QueryParameters: &users.ItemCalendarsItemCalendarViewDeltaRequestBuilderGetQueryParameters{StartDateTime: &from, EndDateTime: &to}})
	return finish(info, err, "")
}

// deltaPage reads a page. One that does not say how the round goes on is none.
func deltaPage(a answer) (graph.DeltaPage, *graph.Error) {
	if failure := a.deltaErr(); failure != nil {
		return graph.DeltaPage{}, failure
	}
	var wire struct {
		Value *[]wireItem `json:"value"`
		Next  string      `json:"@odata.nextLink"`
		Delta string      `json:"@odata.deltaLink"`
	}
	if a.decode(&wire) != nil || wire.Value == nil || (wire.Next == "") == (wire.Delta == "") {
		return graph.DeltaPage{}, unreadable(a)
	}
	page := graph.DeltaPage{Next: wire.Next, Delta: wire.Delta}
	for i := range *wire.Value {
		// What has no id cannot be known later. It is left out, since the page would come
		// the same for ever.
		if item := (*wire.Value)[i].item(); item.ID != "" {
			page.Items = append(page.Items, item)
		}
	}
	return page, nil
}

// deltaErr is the failure of a request for changes.
func (a answer) deltaErr() *graph.Error {
	if a.failure != nil {
		return a.failure
	}
	code, _ := a.code()
	return graph.ClassifyDelta(a.status, code, a.header)
}

// Read implements graph.Reader.
func (c *Client) Read(ctx context.Context, as graph.Access, mailbox, id string) (graph.Item, error) {
	user, err := c.user(as.Path(mailbox))
	if err != nil || !isSegment(id) {
		return graph.Item{}, refused(errors.New("no mailbox or event"))
	}
	info, err := user.Events().ByEventId(id).ToGetRequestInformation(ctx, &users.ItemEventsEventItemRequestBuilderGetRequestConfiguration{
		QueryParameters: &users.ItemEventsEventItemRequestBuilderGetQueryParameters{Select: selectItem, Expand: expandMark}})
	req, err := finish(info, err, "")
	if err != nil {
		return graph.Item{}, refused(err)
	}
	req.prefer = []string{preferUTC}
	answers, failure := c.authorised(ctx, as, []request{req})
	if failure != nil {
		return graph.Item{}, failure
	}
	if failure := answers[0].err(graph.Call{Op: graph.Get, Mailbox: mailbox, Event: id}); failure != nil {
		return graph.Item{}, failure
	}
	var wire wireItem
	if answers[0].decode(&wire) != nil || wire.ID == "" || wire.Removed != nil || answers[0].status != http.StatusOK {
		return graph.Item{}, unreadable(answers[0])
	}
	return wire.item(), nil
}
