package graphapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/notify"
)

// subscriptions answers below subscriptions (6.1).
func (a *API) subscriptions(ctx context.Context, r *request, route Route) answer {
	by := notify.Caller{Tenant: r.caller.Tenant, App: r.caller.App, User: r.caller.User}
	none := answer{status: http.StatusNoContent, header: http.Header{}}
	id := route.Subscription
	switch {
	case id == "" && r.method == http.MethodPost:
		return a.subscribe(ctx, r, by)
	case id == "" && r.method == http.MethodGet:
		items := []object{}
		for _, s := range a.opt.Hub.List(by) {
			items = append(items, encodeSubscription(s))
		}
		return ok(http.StatusOK, object{{"@odata.context", r.base + "/$metadata#subscriptions"}, {"value", items}})
	case route.Reauthorize && r.method == http.MethodPost:
		_, err := a.stillRead(r, by, id)
		if err == nil {
			err = a.opt.Hub.Reauthorise(by, id)
		}
		return r.orFail(none, err)
	case id == "" || route.Reauthorize:
	case r.method == http.MethodGet:
		s, err := a.opt.Hub.Get(by, id)
		return r.orFail(r.oneSubscription(http.StatusOK, s), err)
	case r.method == http.MethodPatch:
		return a.renew(ctx, r, by, id)
	case r.method == http.MethodDelete:
		return r.orFail(none, a.opt.Hub.Delete(by, id))
	}
	return r.refusal(http.StatusMethodNotAllowed, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.", "")
}

// orFail is the answer, or the refusal. An error without a code has none (6.2).
func (r *request) orFail(out answer, err error) answer {
	var refusal *exchange.Error
	switch {
	case err == nil:
		return out
	case errors.As(err, &refusal) && refusal.Code == "":
		return ok(refusal.Status, object{{"error", object{{"message", refusal.Message}, r.inner()}}})
	}
	return r.fail(err)
}

// asked is the body of POST or PATCH.
type asked struct {
	notify.Subscription
	set map[string]bool // members that were there
}

func badSubscription(message string) error { return badRequest("InvalidRequest", message) }

// decodeSubscription reads a body, strictly. What the simulator leaves out is 501.
func decodeSubscription(body []byte) (asked, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || members == nil {
		return asked{}, badSubscription("The request body is not a JSON object.")
	}
	s := asked{set: map[string]bool{}}
	for name, raw := range members {
		var text *string
		into := map[string]*string{"changeType": &s.ChangeType, "notificationUrl": &s.NotifyURL, "lifecycleNotificationUrl": &s.LifecycleURL,
			"resource": &s.Resource, "clientState": &s.ClientState, "latestSupportedTlsVersion": &s.TLS, "expirationDateTime": nil}
		target, known := into[name]
		switch {
		case strings.HasPrefix(name, "@"), string(raw) == "null":
			continue
		case name == "includeResourceData" && string(raw) == "false":
			continue
		case strings.HasPrefix(name, "encryptionCertificate"), name == "includeResourceData":
			return asked{}, notImplemented("Resource data is not part of the simulator.")
		case !known:
			return asked{}, badSubscription("The property '" + clip(name) + "' is not one of a subscription's.")
		case json.Unmarshal(raw, &text) != nil || text == nil:
			return asked{}, badSubscription("The property '" + name + "' is not a string.")
		}
		s.set[name] = true
		if target != nil {
			*target = *text
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, *text)
		if err != nil {
			return asked{}, badSubscription("The property 'expirationDateTime' is not a date and time with an offset.")
		}
		s.Expires = at.UTC()
	}
	return s, nil
}

func notImplemented(message string) error {
	return &exchange.Error{Status: http.StatusNotImplemented, Code: "NotImplemented", Message: message}
}

// subscribe answers POST subscriptions.
func (a *API) subscribe(ctx context.Context, r *request, by notify.Caller) answer {
	s, err := decodeSubscription(r.body)
	if err != nil {
		return r.fail(err)
	}
	if err := a.aim(r, &s.Subscription); err != nil {
		return r.fail(err)
	}
	p, err := a.preferences(r.header)
	if err != nil {
		return r.fail(err)
	}
	s.Immutable = p.immutable
	made, err := a.opt.Hub.Create(ctx, by, s.Subscription)
	return r.orFail(r.oneSubscription(http.StatusCreated, made), err)
}

// aim finds out what a subscription is to, and whether the caller may have it (6.2).
func (a *API) aim(r *request, s *notify.Subscription) error {
	path, query, _ := strings.Cut(s.Resource, "?")
	switch {
	case s.Resource == "":
		return badSubscription("The property 'resource' is required.")
	case query != "":
		return notImplemented("A resource with a query is not part of the simulator.")
	case strings.Contains(path, "://"):
		return badSubscription("The property 'resource' is relative.")
	}
	route, err := ParsePath(path)
	if err != nil || route.Kind != Events {
		return badSubscription("The resource is not supported for subscriptions.")
	}
	if err := r.identify(&route); err != nil {
		return err
	}
	names, mailbox := a.names(r, route)
	a.store.Looked(r.caller.Tenant, mailbox, route.Calendar, exchange.LookSubscribe)
	if !r.caller.appOnly() && !r.caller.is(mailbox) || len(names) == 0 {
		return denied()
	}
	if err := a.mayHear(r, mailbox); err != nil {
		return err
	}
	if err := a.absent(r, route); err != nil {
		return err
	}
	s.User, s.Calendar = mailbox, route.Calendar
	return nil
}

// mayHear checks the permission that a subscription takes.
func (a *API) mayHear(r *request, mailbox string) error {
	if r.caller.appOnly() && a.store.InScope(r.caller.Tenant, r.caller.App, mailbox) {
		return nil
	}
	if !r.caller.may(read) || a.opt.Hub.Switches().ReadOnly && !r.caller.has("Calendars.Read") {
		return denied()
	}
	return nil
}

// stillRead finds a caller's subscription and checks that it may have it still.
func (a *API) stillRead(r *request, by notify.Caller, id string) (notify.Subscription, error) {
	s, err := a.opt.Hub.Get(by, id)
	if err != nil {
		return s, err
	}
	return s, a.mayHear(r, s.User)
}

// renew answers PATCH.
func (a *API) renew(ctx context.Context, r *request, by notify.Caller, id string) answer {
	s, err := decodeSubscription(r.body)
	if err == nil {
		for name := range s.set {
			if name != "expirationDateTime" && name != "notificationUrl" {
				err = badSubscription("The property '" + name + "' can't be changed.")
			}
		}
	}
	if err == nil {
		_, err = a.stillRead(r, by, id)
	}
	if err != nil {
		return r.fail(err)
	}
	renewed, err := a.opt.Hub.Renew(ctx, by, id, s.Expires, s.NotifyURL)
	return r.orFail(r.oneSubscription(http.StatusOK, renewed), err)
}

func (r *request) oneSubscription(status int, s notify.Subscription) answer {
	return ok(status, append(object{{"@odata.context", r.base + "/$metadata#subscriptions/$entity"}}, encodeSubscription(s)...))
}

// encodeSubscription gives the members of a subscription (6.2).
func encodeSubscription(s notify.Subscription) object {
	tls, creator := s.TLS, s.Creator
	if tls == "" {
		tls = "v1_2"
	}
	if creator == "" {
		creator = s.App // of the service principal, which the simulator names after its app
	}
	return object{
		{"id", s.ID},
		{"resource", s.Resource},
		{"applicationId", s.App},
		{"changeType", s.ChangeType},
		{"clientState", orNull(s.ClientState)},
		{"notificationUrl", s.NotifyURL},
		{"notificationQueryOptions", nil},
		{"lifecycleNotificationUrl", orNull(s.LifecycleURL)},
		{"expirationDateTime", s.Expires.UTC().Format(stamp)},
		{"creatorId", creator},
		{"includeResourceData", nil},
		{"latestSupportedTlsVersion", tls},
		{"encryptionCertificate", nil},
		{"encryptionCertificateId", nil},
		{"notificationUrlAppId", nil},
		{"notificationContentType", nil},
	}
}
