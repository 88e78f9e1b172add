package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/calbridge/calbridge/local/host"
)

// API calls the HTTP API with the keys of the local host.
type API struct {
	URL    string // of the front door
	Client *http.Client
}

// API of the front door.
func (s *Stack) API() API { return API{URL: s.URL, Client: http.DefaultClient} }

// Answer is what the API said.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Problem is an answer's problem document (RFC 9457), as far as programs read it.
type Problem struct {
	Type   string
	Title  string
	Errors []struct{ Pointer, Code, Detail string }
}

// Problem reads the answer as a problem document.
func (a Answer) Problem() (Problem, error) {
	var p Problem
	if t := a.Header.Get("Content-Type"); t != "application/problem+json" {
		return p, fmt.Errorf("content type %q, not a problem document", t)
	}
	return p, json.Unmarshal(a.Body, &p)
}

// Do makes one request below /api with a key; body nil sends none.
func (a API) Do(ctx context.Context, method, path, key, contentType string, body []byte) (Answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.URL+"/api/"+path, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	req.Header.Set("x-functions-key", key)
	if body != nil {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := a.Client.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return Answer{resp.StatusCode, resp.Header, text}, err
}

// PutOrganization makes or changes an organisation.
func (a API) PutOrganization(ctx context.Context, id string, settings []byte) error {
	got, err := a.Do(ctx, http.MethodPut, "organizations/"+id, host.FunctionKey, "application/json", settings)
	return want(got, err, "PUT organizations/"+id, http.StatusOK, http.StatusCreated)
}

// Bind binds an organisation to a tenant, as the operator does.
func (a API) Bind(ctx context.Context, id, tenant string) error {
	body, err := json.Marshal(map[string]string{"tenant": tenant, "note": "make run"})
	if err != nil {
		return err
	}
	got, err := a.Do(ctx, http.MethodPost, "operator/organizations/"+id+"/tenant", host.MasterKey, "application/json", body)
	return want(got, err, "POST operator/organizations/"+id+"/tenant", http.StatusOK)
}

// Send posts one booking.
func (a API) Send(ctx context.Context, event []byte) (Answer, error) {
	return a.Do(ctx, http.MethodPost, "bookings", host.FunctionKey, "application/cloudevents+json", event)
}

// Delivery is how a booking stands for one person or room.
type Delivery struct {
	User     string
	Room     string
	State    string
	Reason   string
	Revision int64
	Sequence int64
	EventID  string `json:"eventId"`
	Updated  time.Time
}

// Status lists a booking's deliveries, all pages of them.
func (a API) Status(ctx context.Context, organization, booking string) ([]Delivery, error) {
	var all []Delivery
	for after := ""; ; {
		query := url.Values{"id": {booking}}
		if after != "" {
			query.Set("after", after)
		}
		path := "organizations/" + organization + "/bookings?" + query.Encode()
		got, err := a.Do(ctx, http.MethodGet, path, host.FunctionKey, "", nil)
		if err := want(got, err, "GET "+path, http.StatusOK); err != nil {
			return nil, err
		}
		var page struct {
			Deliveries []Delivery
			Next       string
		}
		if err := json.Unmarshal(got.Body, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Deliveries...)
		if after = page.Next; after == "" {
			return all, nil
		}
	}
}

func want(got Answer, err error, what string, statuses ...int) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	for _, status := range statuses {
		if got.Status == status {
			return nil
		}
	}
	return fmt.Errorf("%s: status %d: %s", what, got.Status, got.Body)
}
