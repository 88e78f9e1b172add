package msgraph

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/graph"
	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/users"
)

// A request is one call to Graph, ready to be sent alone or in a batch.
type request struct {
	method  string
	path    string // below the version root, with query; starts with "/"
	ifMatch string // header value; "" none
	body    []byte // JSON; nil none
	// prefer is what is asked for besides immutable ids; only of a request that goes alone.
	prefer []string
	// maxAnswer is how many bytes of the answer are read; 0 means the client's.
	maxAnswer int64
}

// preferImmutable is the Prefer header of every request (contract 10).
const preferImmutable = `IdType="ImmutableId"`

// findTop is how many events one Find returns at most.
const findTop = 50

// The properties that are asked for; expandMark brings the mark, which no
// answer holds otherwise (contract 2.8).
var (
	selectEvent = []string{"id", "changeKey", "iCalUId", "transactionId", "createdDateTime", "isCancelled"}
	selectBody  = append(selectEvent[:len(selectEvent):len(selectEvent)], "body")
	selectType  = append(selectEvent[:len(selectEvent):len(selectEvent)], "type")
	selectOwner = []string{"owner"}
	expandMark  = []string{"singleValueExtendedProperties($filter=id eq '" + graph.MarkProperty + "')"}
)

// build makes the request of a call. It fails on a call that would address
// something else than the call means: an empty id would turn DELETE events/{id}
// into a request to the collection, and a mark that is not hex could end the
// quotes of a filter.
func (c *Client) build(ctx context.Context, call graph.Call) (request, error) {
	user, err := c.user(call.Mailbox)
	if err != nil {
		return request{}, err
	}
	switch call.Op {
	case graph.Create:
		return create(ctx, user, call)
	case graph.Find:
		return find(ctx, user, call)
	case graph.FindUID:
		return findUID(ctx, user, call)
	case graph.Patch, graph.Delete, graph.Get:
		if !isSegment(call.Event) {
			return request{}, errors.New("no event id")
		}
	default:
		return request{}, fmt.Errorf("unknown operation %d", int(call.Op))
	}
	item := user.Events().ByEventId(call.Event)
	switch call.Op {
	case graph.Patch:
		return patch(ctx, item, call)
	case graph.Delete:
		info, err := item.ToDeleteRequestInformation(ctx, nil)
		return finish(info, err, call.IfMatch)
	}
	params := &users.ItemEventsEventItemRequestBuilderGetQueryParameters{Select: selectEvent, Expand: expandMark}
	if call.WithBody {
		params.Select = selectBody
	}
	info, err := item.ToGetRequestInformation(ctx,
		&users.ItemEventsEventItemRequestBuilderGetRequestConfiguration{QueryParameters: params})
	return finish(info, err, "")
}

func create(ctx context.Context, user *users.UserItemRequestBuilder, call graph.Call) (request, error) {
	if !isMark(call.Mark) {
		return request{}, errors.New("a mark is 32 lower-case hex digits")
	}
	if call.TransactionID == "" {
		return request{}, errors.New("a create needs a transaction id")
	}
	call.Set = given(call.Content)
	model, err := content(call)
	if err != nil {
		return request{}, err
	}
	model.SetTransactionId(&call.TransactionID)
	model.SetSingleValueExtendedProperties(mark(call.Mark))
	info, err := user.Events().ToPostRequestInformation(ctx, model, nil)
	return finish(info, err, "")
}

// given is what a create sends: all but the parts that are empty anyway.
func given(e event.Event) event.Fields {
	set := event.All
	if e.Location == (event.Location{}) {
		set &^= event.Place
	}
	if len(e.Categories) == 0 {
		set &^= event.Categories
	}
	return set
}

func patch(ctx context.Context, item *users.ItemEventsEventItemRequestBuilder, call graph.Call) (request, error) {
	model, err := content(call)
	if err != nil {
		return request{}, err
	}
	info, err := item.ToPatchRequestInformation(ctx, model, nil)
	return finish(info, err, call.IfMatch)
}

func find(ctx context.Context, user *users.UserItemRequestBuilder, call graph.Call) (request, error) {
	if !isMark(call.Mark) {
		return request{}, errors.New("a mark is 32 lower-case hex digits")
	}
	return search(ctx, user, "singleValueExtendedProperties/Any(ep: ep/id eq '"+graph.MarkProperty+"' and ep/value eq '"+call.Mark+"')")
}

// findUID searches for both forms of a UID, since nobody knows which one an
// import left (graph.WrappedUID).
func findUID(ctx context.Context, user *users.UserItemRequestBuilder, call graph.Call) (request, error) {
	if !graph.FitUID(call.UID) {
		return request{}, errors.New("a UID is printable ASCII, at most 255 bytes")
	}
	filter := "iCalUId eq " + literal(call.UID)
	if wrapped := graph.WrappedUID(call.UID); wrapped != call.UID {
		filter += " or iCalUId eq " + literal(wrapped)
	}
	return search(ctx, user, filter)
}

// literal is s as a string of OData.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// search lists the events that a filter lets through.
func search(ctx context.Context, user *users.UserItemRequestBuilder, filter string) (request, error) {
	top := int32(findTop)
	info, err := user.Events().ToGetRequestInformation(ctx, &users.ItemEventsRequestBuilderGetRequestConfiguration{
		QueryParameters: &users.ItemEventsRequestBuilderGetQueryParameters{
			Filter: &filter, Select: selectType, Expand: expandMark, Top: &top,
		},
	})
	return finish(info, err, "")
}

// mailboxRequest asks whose default calendar answers for address. It is the only
// thing about a user that the app's permission tells (design.md, Permissions).
func (c *Client) mailboxRequest(ctx context.Context, address string) (request, error) {
	user, err := c.user(address)
	if err != nil {
		return request{}, err
	}
	info, err := user.Calendar().ToGetRequestInformation(ctx, &users.ItemCalendarRequestBuilderGetRequestConfiguration{
		QueryParameters: &users.ItemCalendarRequestBuilderGetQueryParameters{Select: selectOwner},
	})
	return finish(info, err, "")
}

// user is the builder below users/{mailbox}. The base URL is empty, because a
// batch wants URLs below the version root.
func (c *Client) user(mailbox string) (*users.UserItemRequestBuilder, error) {
	if !isSegment(mailbox) {
		return nil, errors.New("no mailbox")
	}
	root := users.NewUsersRequestBuilderInternal(map[string]string{"baseurl": ""}, c.adapter)
	return root.ByUserId(mailbox), nil
}

func finish(info *abstractions.RequestInformation, err error, ifMatch string) (request, error) {
	if err != nil {
		return request{}, err
	}
	uri, err := info.GetUri()
	if err != nil {
		// Its text has the URL, which names the mailbox.
		return request{}, errors.New("the SDK made no URL of the call")
	}
	r := request{method: info.Method.String(), path: plainNames(uri.String()), body: info.Content}
	if ifMatch != "" {
		r.ifMatch = `W/"` + ifMatch + `"`
	}
	return r, nil
}

// plainNames writes $select for the SDK's %24select, as Graph documents it. In
// values "&" is encoded, so only names are met.
func plainNames(uri string) string {
	return strings.NewReplacer("?%24", "?$", "&%24", "&$").Replace(uri)
}

// isSegment tells whether s can be a path segment of its own: "." and ".." are
// not escaped and would be taken for steps.
func isSegment(s string) bool {
	return s != "" && s != "." && s != ".."
}

func isMark(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}
