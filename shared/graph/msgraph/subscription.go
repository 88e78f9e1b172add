package msgraph

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/graph"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/subscriptions"
)

// MaxClientState is how long a client state may be, in characters (contract 6.2).
const MaxClientState = 128

var _ graph.Subscriber = (*Client)(nil)

// wireSubscription is what is read of a subscription.
type wireSubscription struct {
	ID          string `json:"id"`
	Resource    string `json:"resource"`
	ClientState string `json:"clientState"`
	Expires     string `json:"expirationDateTime"`
	Notify      string `json:"notificationUrl"`
}

// Subscribe implements graph.Subscriber.
func (c *Client) Subscribe(ctx context.Context, as graph.Access, s graph.Subscription, notify, lifecycle string) (graph.Subscription, error) {
	mailbox := as.Path(s.Mailbox)
	req, err := c.subscribeRequest(ctx, mailbox, s, notify, lifecycle)
	if err != nil {
		return graph.Subscription{}, refused(err)
	}
	made, failure := c.subscription(ctx, as, "", req)
	if failure != nil {
		return graph.Subscription{}, failure
	}
	made.Mailbox, made.ClientState = mailbox, s.ClientState
	return made, nil
}

func (c *Client) subscribeRequest(ctx context.Context, mailbox string, s graph.Subscription, notify, lifecycle string) (request, error) {
	switch {
	case !isSegment(mailbox) || strings.ContainsAny(mailbox, `/\?#%`):
		return request{}, errors.New("no mailbox")
	case s.ClientState == "" || len(s.ClientState) > MaxClientState:
		return request{}, errors.New("a client state is 1 to 128 characters")
	case notify == "" || s.Expires.IsZero():
		return request{}, errors.New("no address to notify, or no end")
	}
	changes, resource, until := "created,updated,deleted", "users/"+mailbox+"/events", s.Expires.UTC()
	model := models.NewSubscription()
	model.SetChangeType(&changes)
	model.SetResource(&resource)
	model.SetNotificationUrl(&notify)
	if lifecycle != "" {
		model.SetLifecycleNotificationUrl(&lifecycle)
	}
	model.SetClientState(&s.ClientState)
	model.SetExpirationDateTime(&until)
	info, err := c.subscriptions().ToPostRequestInformation(ctx, model, nil)
	return finish(info, err, "")
}

// Subscription implements graph.Subscriber.
func (c *Client) Subscription(ctx context.Context, as graph.Access, id string) (graph.Subscription, error) {
	if !isSegment(id) {
		return graph.Subscription{}, refused(errors.New("no subscription"))
	}
	info, err := c.subscriptions().BySubscriptionId(id).ToGetRequestInformation(ctx, nil)
	req, err := finish(info, err, "")
	if err != nil {
		return graph.Subscription{}, refused(err)
	}
	found, failure := c.subscription(ctx, as, id, req)
	if failure != nil {
		return graph.Subscription{}, failure
	}
	found.ClientState = "" // some answers have it (contract 6.1); nothing may rest on it
	return found, nil
}

// Renew implements graph.Subscriber.
func (c *Client) Renew(ctx context.Context, as graph.Access, id string, until time.Time) (graph.Subscription, error) {
	if !isSegment(id) {
		return graph.Subscription{}, refused(errors.New("no subscription"))
	}
	until = until.UTC()
	model := models.NewSubscription()
	model.SetExpirationDateTime(&until)
	info, err := c.subscriptions().BySubscriptionId(id).ToPatchRequestInformation(ctx, model, nil)
	req, err := finish(info, err, "")
	if err != nil {
		return graph.Subscription{}, refused(err)
	}
	renewed, failure := c.subscription(ctx, as, id, req)
	if failure != nil {
		return graph.Subscription{}, failure
	}
	return renewed, nil
}

// Unsubscribe implements graph.Subscriber.
func (c *Client) Unsubscribe(ctx context.Context, as graph.Access, id string) error {
	if !isSegment(id) {
		return refused(errors.New("no subscription"))
	}
	info, err := c.subscriptions().BySubscriptionId(id).ToDeleteRequestInformation(ctx, nil)
	req, err := finish(info, err, "")
	if err != nil {
		return refused(err)
	}
	answers, failure := c.authorised(ctx, as, []request{req})
	if failure == nil {
		failure = answers[0].subscriptionErr(id)
	}
	if failure != nil && failure.Kind != graph.Gone {
		return failure
	}
	return nil
}

// subscription makes a request that is answered with a subscription; id is that which it
// is about, "" for a new one.
func (c *Client) subscription(ctx context.Context, as graph.Access, id string, req request) (graph.Subscription, *graph.Error) {
	answers, failure := c.authorised(ctx, as, []request{req})
	if failure != nil {
		return graph.Subscription{}, failure
	}
	if failure := answers[0].subscriptionErr(id); failure != nil {
		return graph.Subscription{}, failure
	}
	var w wireSubscription
	if answers[0].decode(&w) != nil || w.ID == "" || id != "" && !strings.EqualFold(w.ID, id) {
		return graph.Subscription{}, unreadable(answers[0])
	}
	until, err := time.Parse(time.RFC3339, w.Expires)
	if err != nil {
		return graph.Subscription{}, unreadable(answers[0])
	}
	mailbox := ""
	if parts := strings.Split(strings.Trim(w.Resource, "/"), "/"); len(parts) == 3 {
		mailbox = parts[1]
	}
	return graph.Subscription{ID: w.ID, Mailbox: mailbox, ClientState: w.ClientState, Expires: until.UTC(), Notify: w.Notify}, nil
}

// subscriptionErr is the failure of a request about a subscription. Of a duplicate the
// message is read, since nothing else names the one that is there (contract 6.2).
func (a answer) subscriptionErr(id string) *graph.Error {
	if a.failure != nil {
		return a.failure
	}
	var body struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	_ = a.decode(&body) // a body that is not Graph's has no code
	return graph.ClassifySubscription(id, a.status, body.Error.Code, body.Error.Message, a.header)
}

// subscriptions is the builder of the collection, below the version root.
func (c *Client) subscriptions() *subscriptions.SubscriptionsRequestBuilder {
	return subscriptions.NewSubscriptionsRequestBuilderInternal(map[string]string{"baseurl": ""}, c.adapter)
}
