package notify

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// Caller is whose token makes a call.
type Caller struct {
	Tenant, App string
	User        string // object id; "" for the app itself
}

// Subscription is one, as Graph shows it.
type Subscription struct {
	ID                        string
	Tenant, App               string
	Creator                   string // object id of the user who made it; "" for the app
	Resource                  string // as it was given
	User                      string // object id of the mailbox's owner
	Calendar                  string // id of the only calendar; "" is the whole mailbox
	ChangeType                string // created,updated,deleted or some of them, in that order
	NotifyURL, LifecycleURL   string
	ClientState, TLS          string
	Immutable                 bool // notifications have immutable ids
	Expires                   time.Time
	Made, Renewed, Authorised time.Time // Authorised is zero where it never lapses
	// Hasty counts how often it was renewed and authorised within ten minutes, which
	// nobody should do (6.1).
	Hasty int
}

type subscription struct {
	Subscription
	reminded     time.Time // last reauthorizationRequired
	reauthorised time.Time // last reauthorize
	refused      bool      // its maker may not read the mailbox any more
}

// haste is how soon a renewal and an authorisation may not follow each other (6.1).
const haste = 10 * time.Minute

// Limits of 6.2.
const (
	longest  = 10_080 * time.Minute
	shortest = 45 * time.Minute
	most     = 1000 // to one mailbox
	mostText = 128  // characters of a client state
)

// Create makes a subscription of what s has, after the handshake with both addresses.
// Its error is a *exchange.Error.
func (h *Hub) Create(ctx context.Context, by Caller, s Subscription) (Subscription, error) {
	s.Tenant, s.App, s.Creator = by.Tenant, by.App, by.User
	if err := s.valid(); err != nil {
		return Subscription{}, err
	}
	if _, err := h.store.Calendar(s.Tenant, s.User, s.Calendar); err != nil {
		return Subscription{}, err
	}
	var err error
	if s.Expires, err = h.until(s.Expires); err != nil {
		return Subscription{}, err
	}
	if err := h.room(s); err != nil {
		return Subscription{}, err
	}
	for _, address := range []string{s.NotifyURL, s.LifecycleURL} {
		if err := h.validate(ctx, address); err != nil {
			return Subscription{}, err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.fits(s); err != nil { // another one came in the meantime
		return Subscription{}, err
	}
	h.count++
	s.ID = uuid.NewSHA1(uuid.NameSpaceURL, []byte("subscription "+s.Tenant+" "+s.App+" "+strconv.Itoa(h.count))).String()
	s.Made = h.now().UTC()
	s.Renewed, s.Authorised = s.Made, h.switches.authorised(s.Made)
	made := &subscription{Subscription: s}
	h.all = append(h.all, made)
	at := boxOf(s.Tenant, s.User)
	h.of[at] = append(h.of[at], made)
	h.Poke()
	return s, nil
}

// valid checks what can be checked without looking, and writes changeType as Graph does.
func (s *Subscription) valid() error {
	var kinds []string
	for part := range strings.SplitSeq(s.ChangeType, ",") {
		kind := strings.ToLower(strings.TrimSpace(part))
		if !slices.Contains([]string{"created", "updated", "deleted"}, kind) {
			return invalid("The property 'changeType' is a list of created, updated and deleted.")
		}
		if !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds) // created, deleted, updated
	if slices.Contains(kinds, "deleted") && slices.Contains(kinds, "updated") {
		kinds = append(slices.DeleteFunc(kinds, func(k string) bool { return k == "deleted" }), "deleted")
	}
	s.ChangeType = strings.Join(kinds, ",")
	if err := address("notificationUrl", s.NotifyURL); err != nil {
		return err
	}
	if s.LifecycleURL != "" {
		if err := address("lifecycleNotificationUrl", s.LifecycleURL); err != nil {
			return err
		}
	}
	if len([]rune(s.ClientState)) > mostText {
		return invalid("The property 'clientState' has at most 128 characters.")
	}
	if s.TLS != "" && !slices.Contains([]string{"v1_0", "v1_1", "v1_2", "v1_3"}, s.TLS) {
		return invalid("The property 'latestSupportedTlsVersion' is not one of v1_0, v1_1, v1_2, v1_3.")
	}
	return nil
}

// address checks a URL: https, or http on loopback.
func address(name, text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return invalid("The property '" + name + "' is not an absolute URL.")
	}
	ip := net.ParseIP(u.Hostname())
	loopback := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme != "https" && !(u.Scheme == "http" && loopback) {
		return invalid("The property '" + name + "' must be an HTTPS URL.")
	}
	return nil
}

// until is when a subscription ends that is asked to end at a time (6.2).
func (h *Hub) until(asked time.Time) (time.Time, error) {
	now := h.now()
	ahead := asked.Sub(now)
	switch {
	case asked.IsZero():
		return asked, invalid("The property 'expirationDateTime' is required.")
	case ahead <= 0:
		return asked, invalid("The property 'expirationDateTime' must be in the future.")
	case ahead > longest && h.Switches().ClipLong:
		return now.Add(longest).UTC(), nil
	case ahead > longest:
		return asked, invalid("Subscription expiration can only be 10080 minutes in the future.")
	case ahead < shortest:
		return now.Add(shortest).UTC(), nil
	}
	return asked.UTC(), nil
}

// room is fits for who does not hold the lock.
func (h *Hub) room(s Subscription) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.fits(s)
}

// fits refuses a duplicate, and one too many of a mailbox. The caller holds the lock.
func (h *Hub) fits(s Subscription) error {
	h.bury()
	for _, other := range h.all {
		if other.Tenant == s.Tenant && other.App == s.App && other.Creator == s.Creator && other.ChangeType == s.ChangeType && sameResource(other.Resource, s.Resource) {
			code := h.switches.DuplicateCode
			if code == "" {
				code = "ObjectIdentifierInUse"
			}
			if code == "none" {
				code = ""
			}
			return &exchange.Error{Status: http.StatusConflict, Code: code, Message: fmt.Sprintf("Subscription Id %s already exists for the requested combination", other.ID)}
		}
	}
	if len(h.of[boxOf(s.Tenant, s.User)]) >= most {
		return &exchange.Error{Status: http.StatusForbidden, Code: "Forbidden", Message: "The limit of 1000 subscriptions to a mailbox is reached."}
	}
	if s.Calendar != "" && h.switches.NoCalendars {
		return invalid("The resource is not supported for subscriptions.")
	}
	return nil
}

func sameResource(a, b string) bool {
	return strings.EqualFold(strings.Trim(a, "/"), strings.Trim(b, "/"))
}

// bury ends what has expired. The caller holds the lock.
func (h *Hub) bury() {
	now := h.now()
	for _, s := range slices.Clone(h.all) {
		if !s.Expires.After(now) {
			h.end(s)
		}
	}
}

// end takes a subscription away, and what is to be sent for it, but its lifecycle. The
// caller holds the lock.
func (h *Hub) end(s *subscription) {
	h.all = slices.DeleteFunc(h.all, func(o *subscription) bool { return o == s })
	at := boxOf(s.Tenant, s.User)
	if h.of[at] = slices.DeleteFunc(h.of[at], func(o *subscription) bool { return o == s }); len(h.of[at]) == 0 {
		delete(h.of, at)
	}
	h.pending = slices.DeleteFunc(h.pending, func(n *notice) bool { return n.subscription == s && n.kind != "subscriptionRemoved" })
}

// find gives a caller one of its subscriptions. The caller holds the lock.
func (h *Hub) find(by Caller, id string) (*subscription, error) {
	h.bury()
	for _, s := range h.all {
		if strings.EqualFold(s.ID, id) && s.Tenant == by.Tenant && s.App == by.App && s.Creator == by.User {
			return s, nil
		}
	}
	return nil, &exchange.Error{Status: http.StatusNotFound, Code: "ResourceNotFound", Message: "The object was not found."}
}

// Get shows one subscription of a caller.
func (h *Hub) Get(by Caller, id string) (Subscription, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, err := h.find(by, id)
	if err != nil {
		return Subscription{}, err
	}
	return s.Subscription, nil
}

// List shows a caller's subscriptions: the app's own, or a user's.
func (h *Hub) List(by Caller) []Subscription {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bury()
	all := []Subscription{}
	for _, s := range h.all {
		if s.Tenant == by.Tenant && s.App == by.App && s.Creator == by.User {
			all = append(all, s.Subscription)
		}
	}
	return all
}

// Renew makes a subscription last until a time, and authorises it; zero leaves its end.
// notifyURL, where it is not "", is its new address, which is validated.
func (h *Hub) Renew(ctx context.Context, by Caller, id string, until time.Time, notifyURL string) (Subscription, error) {
	before, err := h.Get(by, id)
	if err != nil {
		return Subscription{}, err
	}
	if !until.IsZero() {
		if until, err = h.until(until); err != nil {
			return Subscription{}, err
		}
	}
	if notifyURL != "" && notifyURL != before.NotifyURL {
		if err := address("notificationUrl", notifyURL); err != nil {
			return Subscription{}, err
		}
		if err := h.validate(ctx, notifyURL); err != nil {
			return Subscription{}, err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	s, err := h.find(by, id)
	if err != nil {
		return Subscription{}, err
	}
	if !until.IsZero() {
		s.Expires = until
	}
	if notifyURL != "" {
		s.NotifyURL = notifyURL
	}
	s.Renewed = h.now().UTC()
	if s.Renewed.Sub(s.reauthorised) < haste {
		s.Hasty++
	}
	h.authorise(s)
	return s.Subscription, nil
}

// Reauthorise lets a subscription go on with the caller's fresh token; it lasts no longer.
func (h *Hub) Reauthorise(by Caller, id string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, err := h.find(by, id)
	if err != nil {
		return err
	}
	s.reauthorised = h.now().UTC()
	if s.Renewed.After(s.Made) && s.reauthorised.Sub(s.Renewed) < haste {
		s.Hasty++
	}
	h.authorise(s)
	return nil
}

func (h *Hub) authorise(s *subscription) {
	s.Authorised, s.reminded, s.refused = h.switches.authorised(h.now().UTC()), time.Time{}, false
	h.Poke()
}

// Delete ends a subscription.
func (h *Hub) Delete(by Caller, id string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, err := h.find(by, id)
	if err == nil {
		h.end(s)
	}
	return err
}

func invalid(message string) *exchange.Error {
	return &exchange.Error{Status: http.StatusBadRequest, Code: "InvalidRequest", Message: message}
}
