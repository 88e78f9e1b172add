package exchange

import (
	"errors"
	"net/http"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Store is all of Exchange Online that the simulator has.
type Store struct {
	now      func() time.Time
	zones    *zones
	switches Switches

	mu      sync.Mutex
	tenants map[string]*tenant
	order   []string
	mails   []Mail
	counter uint32

	watchers []func(Note)
	looks    looks
}

// New returns an empty store with the given clock.
func New(now func() time.Time, switches Switches) *Store {
	return &Store{now: now, zones: newZones(), switches: switches, tenants: map[string]*tenant{}}
}

// Now is the time by the store's clock.
func (s *Store) Now() time.Time { return s.now() }

// SetSwitches changes what the contract leaves unknown, from the next call on.
func (s *Store) SetSwitches(switches Switches) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.switches = switches
}

// Switches returns those in force.
func (s *Store) Switches() Switches {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.switches
}

type tenant struct {
	id    string
	users map[string]*mailbox // by every name, lower case
	order []*mailbox
	// scopes are the object ids that RBAC lets an application into, by its client id.
	scopes map[string][]string
}

// User is someone in a tenant's directory.
type User struct {
	ObjectID  string // a GUID; derived from tenant and Principal when empty
	Principal string // user principal name; also the primary address when Mail is empty
	Mail      string // primary SMTP address, in any case
	Aliases   []string
	Name      string
	State     State
	// TimeZone is the mailbox's own zone, for the calendar page; UTC when empty.
	TimeZone string
}

// State is what stands in the way of a mailbox.
type State int

// The states of section 9's 403 and 404 rows.
const (
	Ready        State = iota
	NoMailbox          // exists in the directory, has no mailbox
	OnPremises         // mailbox in the customer's own Exchange
	Unlicensed         // licence removed: mailbox inactive or soft-deleted
	OutsideScope       // an application access policy or RBAC scope excludes it
	NoFederation       // the generic list's extensionError
	Moving             // store is moving the mailbox: 503
	SoftDeleted        // the mailbox was deleted and can be restored with all it holds
)

var stateNames = [...]string{"ready", "no-mailbox", "on-premises", "unlicensed", "outside-scope", "no-federation", "moving", "soft-deleted"}

// String names the state, as ParseState reads it.
func (s State) String() string { return stateNames[s] }

// ParseState reads the name of a state.
func ParseState(name string) (State, bool) {
	at := slices.Index(stateNames[:], name)
	return State(max(at, 0)), at >= 0
}

// mailbox is a user and what is in their mailbox.
type mailbox struct {
	User
	tenant       string
	guid, store  uuid.UUID
	calendars    []*Calendar
	byID         map[string]*Event // by either id
	live         []*Event          // in order of creation
	dead         map[string]*Event // by immutable id, where a switch wants them
	transactions map[string]transaction
	left         map[place]time.Time // when an event left a calendar
	version      uint64              // counts notes
	items        uint32
	moves        int             // to other stores so far
	shared       map[string]bool // by object id of who is let in; true: may edit
}

// Calendar is a calendar folder.
type Calendar struct {
	ID        string
	Name      string
	Default   bool
	ChangeKey string
	Owner     Address // address as the directory spells it
	// Color is a member of calendarColor; "" is auto.
	Color string
	// ReadOnly says that whoever it is shared with may not edit it.
	ReadOnly bool
	folder   uint32
}

// AddTenant makes a tenant, once.
func (s *Store) AddTenant(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tenant(id)
}

// HasTenant reports whether there is a tenant of that id.
func (s *Store) HasTenant(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tenants[strings.ToLower(id)] != nil
}

func (s *Store) tenant(id string) *tenant {
	key := strings.ToLower(id)
	t := s.tenants[key]
	if t == nil {
		t = &tenant{id: key, users: map[string]*mailbox{}}
		s.tenants[key] = t
		s.order = append(s.order, key)
	}
	return t
}

// AddUser puts a user with a default calendar into a tenant, which is made when
// it is new, and returns the user with every field filled in. Where the object id
// is there already, that user is returned, with the names that are new as further
// aliases; a name that belongs to somebody else stays theirs.
func (s *Store) AddUser(tenantID string, u User) User {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tenant(tenantID)
	if u.Mail == "" {
		u.Mail = u.Principal
	}
	if u.ObjectID == "" {
		u.ObjectID = ObjectID(t.id, u.Principal)
	}
	if u.Name == "" {
		u.Name, _, _ = strings.Cut(u.Principal, "@")
	}
	names := append([]string{u.ObjectID, u.Principal, u.Mail}, u.Aliases...)
	box := t.users[strings.ToLower(u.ObjectID)]
	if box == nil {
		box = s.newMailbox(t, u)
	}
	for _, name := range names {
		key := strings.ToLower(name)
		if t.users[key] != nil {
			continue
		}
		t.users[key] = box
		if box.ObjectID != name && box.Principal != name && box.Mail != name && !slices.Contains(box.Aliases, name) {
			box.Aliases = append(slices.Clone(box.Aliases), name)
		}
	}
	return box.User
}

func (s *Store) newMailbox(t *tenant, u User) *mailbox {
	box := &mailbox{
		User: u, tenant: t.id,
		guid: derived("mailbox", t.id, u.ObjectID), store: derived("store", t.id, u.ObjectID),
		byID: map[string]*Event{}, dead: map[string]*Event{}, transactions: map[string]transaction{}, left: map[place]time.Time{},
	}
	s.addCalendar(box, "Calendar")
	t.order = append(t.order, box)
	return box
}

func (s *Store) addCalendar(box *mailbox, name string) *Calendar {
	folder := uint32(len(box.calendars) + 0x10d)
	c := &Calendar{
		ID: calendarID(box.guid, box.store, folder), Name: name, Default: len(box.calendars) == 0,
		ChangeKey: s.nextKey(box), Owner: Address{box.Name, box.Mail}, folder: folder,
	}
	box.calendars = append(box.calendars, c)
	return c
}

func (s *Store) nextKey(box *mailbox) string {
	s.counter++
	return changeKey(box.store, s.counter)
}

// AddCalendar gives a mailbox another calendar.
func (s *Store) AddCalendar(tenantID, user, name string) (Calendar, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	box, err := s.user(tenantID, user)
	if err != nil {
		return Calendar{}, err
	}
	return *s.addCalendar(box, name), nil
}

// PaintCalendar gives a calendar a colour: a member of calendarColor.
func (s *Store) PaintCalendar(tenantID, user, id, color string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	box, err := s.user(tenantID, user)
	if err != nil {
		return err
	}
	c, err := box.calendar(id)
	if err != nil {
		return err
	}
	c.Color = color
	return nil
}

// SetState changes what stands in the way of a mailbox.
func (s *Store) SetState(tenantID, user string, state State) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	box, err := s.user(tenantID, user)
	if err != nil {
		return err
	}
	box.State = state
	return nil
}

// Rename gives a user another address, as an administrator does when somebody marries or
// a company is renamed: account and mailbox stay the same, and the old address remains
// as an alias. An address of somebody else stays theirs.
func (s *Store) Rename(tenantID, user, mail string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	box, err := s.user(tenantID, user)
	if err != nil {
		return err
	}
	names := s.tenant(tenantID).users
	if other := names[strings.ToLower(mail)]; other != nil && other != box {
		return errors.New("exchange.Rename: the address is somebody else's")
	}
	names[strings.ToLower(mail)] = box
	box.Aliases = append(slices.DeleteFunc(slices.Clone(box.Aliases), func(a string) bool { return a == mail }), box.Mail)
	box.Mail = mail
	for _, c := range box.calendars {
		c.Owner.Address = mail
	}
	return nil
}

// User finds a user by object id, principal name or any address.
func (s *Store) User(tenantID, user string) (User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	box, err := s.user(tenantID, user)
	if err != nil {
		return User{}, err
	}
	return box.User, nil
}

func (s *Store) user(tenantID, user string) (*mailbox, error) {
	if t := s.tenants[strings.ToLower(tenantID)]; t != nil {
		if box := t.users[strings.ToLower(user)]; box != nil {
			return box, nil
		}
	}
	code := s.switches.UnknownUserCode
	if code == "" {
		code = "Request_ResourceNotFound"
	}
	return nil, refuse(http.StatusNotFound, code, "Resource does not exist or one of its queried reference-property objects are not present.")
}

// mailbox finds a user whose mailbox can be used.
func (s *Store) mailbox(tenantID, user string) (*mailbox, error) {
	box, err := s.user(tenantID, user)
	if err != nil {
		return nil, err
	}
	switch box.State {
	case NoMailbox, Unlicensed, SoftDeleted:
		return nil, refuse(http.StatusNotFound, "MailboxNotEnabledForRESTAPI",
			"The mailbox is either inactive, soft-deleted, or is hosted on-premise.")
	case OnPremises:
		return nil, refuse(http.StatusNotFound, "MailboxNotEnabledForRESTAPI", "REST API is not yet supported for this mailbox.")
	case OutsideScope:
		return nil, refuse(http.StatusForbidden, "ErrorAccessDenied", "Access to OData is disabled.")
	case NoFederation:
		return nil, refuse(http.StatusNotFound, "extensionError", "The mailbox is hosted on-premises and not federated.")
	case Moving:
		return nil, refuse(http.StatusServiceUnavailable, "ErrorMailboxMoveInProgress", "Mailbox move in progress. Try again later.")
	}
	return box, nil
}

// Calendar returns one calendar of a mailbox; id "" is the default one.
func (s *Store) Calendar(tenantID, user, id string) (Calendar, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	box, err := s.mailbox(tenantID, user)
	if err != nil {
		return Calendar{}, err
	}
	c, err := box.calendar(id)
	if err != nil {
		return Calendar{}, err
	}
	return *c, nil
}

// Calendars returns all calendars of a mailbox, the default one first.
func (s *Store) Calendars(tenantID, user string) ([]Calendar, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	box, err := s.mailbox(tenantID, user)
	if err != nil {
		return nil, err
	}
	var all []Calendar
	for _, c := range box.calendars {
		all = append(all, *c)
	}
	return all, nil
}

func (b *mailbox) calendar(id string) (*Calendar, error) {
	if id == "" {
		return b.calendars[0], nil
	}
	for _, c := range b.calendars {
		if c.ID == id {
			return c, nil
		}
	}
	if _, err := idEncoding.DecodeString(id); err != nil {
		return nil, errMalformedID()
	}
	return nil, errNotFound()
}

// Box is one mailbox and all that is in it.
type Box struct {
	Tenant string
	User   User
	Events []Event // by start, then creation
}

// Users lists a tenant's users, in the order they were added.
func (s *Store) Users(tenantID string) []User {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tenants[strings.ToLower(tenantID)]
	if t == nil {
		return nil
	}
	var all []User
	for _, box := range t.order {
		all = append(all, box.User)
	}
	return all
}

// Boxes shows every mailbox, in the order they were added, whatever its state.
func (s *Store) Boxes() []Box {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Box
	for _, id := range s.order {
		for _, box := range s.tenants[id].order {
			all = append(all, s.show(box))
		}
	}
	return all
}

// Events shows one mailbox, whatever its state. An unknown one has none.
func (s *Store) Events(tenantID, user string) []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	box, err := s.user(tenantID, user)
	if err != nil {
		return nil
	}
	return s.show(box).Events
}

func (s *Store) show(box *mailbox) Box {
	b := Box{Tenant: box.tenant, User: box.User}
	for _, e := range box.live {
		b.Events = append(b.Events, s.copy(e))
	}
	sort.SliceStable(b.Events, func(i, j int) bool { return b.Events[i].From.Before(b.Events[j].From) })
	return b
}
