package graphapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/calbridge/calbridge/local/m365/faults"
)

// Limits of a batch (section 7).
const (
	mostItems = 20
	parallel  = 4
)

// item is one request of a batch.
type item struct {
	id, method, url string
	header          http.Header
	body            []byte
	after           []string // dependsOn, lower case
}

// batch answers $batch: items run four at a time, or one by one where one
// depends on another, and are answered in any order.
func (a *API) batch(ctx context.Context, r *request) answer {
	if r.method != http.MethodPost {
		return r.refusal(http.StatusMethodNotAllowed, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.", "")
	}
	items, err := decodeBatch(r.body)
	if err != nil {
		return r.fail(err)
	}
	work := func(ctx context.Context) answer { return a.items(ctx, r, items) }
	if rule, faulty := a.opt.Faults.Pick(faults.Subject{Method: r.method, Path: "/$batch"}); faulty {
		return a.faulty(ctx, r, rule, work)
	}
	return work(ctx)
}

func (a *API) items(ctx context.Context, r *request, items []item) answer {
	plans := make([]plan, len(items))
	for i, it := range items {
		plans[i] = a.plan(r.of(it))
	}
	answers := make([]answer, len(items))
	switch {
	case slices.ContainsFunc(items, func(it item) bool { return len(it.after) > 0 }):
		a.inOrder(ctx, items, plans, answers)
	case a.takesTime(plans):
		a.fourAtOnce(ctx, plans, answers)
	default:
		for _, i := range a.shuffle(len(plans)) {
			answers[i] = a.run(ctx, plans[i])
		}
	}
	responses := make([]object, 0, len(items))
	for _, i := range a.shuffle(len(items)) {
		responses = append(responses, encodeItem(items[i].id, plans[i].id, answers[i]))
	}
	return ok(http.StatusOK, object{{"responses", responses}})
}

// takesTime reports whether anything would wait. Where nothing does, items run
// one after the other in random order: nobody can tell, and a seed then gives the
// same ids again.
func (a *API) takesTime(plans []plan) bool {
	return a.opt.Latency != nil || slices.ContainsFunc(plans, func(p plan) bool { return p.rule.DelayMS > 0 })
}

func (a *API) fourAtOnce(ctx context.Context, plans []plan, answers []answer) {
	var group sync.WaitGroup
	next := make(chan int)
	for range min(parallel, len(plans)) {
		group.Go(func() {
			for i := range next {
				answers[i] = a.run(ctx, plans[i])
			}
		})
	}
	for _, i := range a.shuffle(len(plans)) {
		next <- i
	}
	close(next)
	group.Wait()
}

// inOrder runs items one by one; decodeBatch made sure that each names only
// earlier ones. One that depends on a failure is 424.
func (a *API) inOrder(ctx context.Context, items []item, plans []plan, answers []answer) {
	failed := map[string]bool{}
	for i, it := range items {
		if slices.ContainsFunc(it.after, func(id string) bool { return failed[id] }) {
			answers[i] = plans[i].refusal(http.StatusFailedDependency, "FailedDependency", "The request failed because a request it depends on failed.", "")
		} else {
			answers[i] = a.run(ctx, plans[i])
		}
		failed[strings.ToLower(it.id)] = answers[i].status >= 400
	}
}

// shuffle is a random order of n things, from the seed.
func (a *API) shuffle(n int) []int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.random.Perm(n)
}

// of makes an item a request of its own, with the batch's caller.
func (r *request) of(it item) *request {
	path, query, _ := strings.Cut(strings.TrimPrefix(it.url, "/"), "?")
	sub := &request{
		call: r.call, method: it.method, path: path, query: query, header: it.header, body: it.body,
		base: r.base, caller: r.caller, item: true,
	}
	sub.id = uuid.NewString()
	if id := it.header.Get("client-request-id"); id != "" {
		sub.clientID = id
	}
	return sub
}

func encodeItem(id, requestID string, a answer) object {
	header := object{{"Cache-Control", "private"}, {"request-id", requestID}}
	for _, name := range []string{"Retry-After", "Location", "Preference-Applied", "Www-Authenticate"} {
		if value := a.header.Get(name); value != "" {
			header = append(header, member{name, value})
		}
	}
	o := object{{"id", id}, {"status", a.status}}
	if a.body == nil {
		return append(o, member{"headers", header})
	}
	header = append(header, member{"Content-Type", a.contentType()})
	o = append(o, member{"headers", header})
	if a.html || !json.Valid(a.body) { // what is not JSON comes as base64url
		return append(o, member{"body", base64.URLEncoding.EncodeToString(a.body)})
	}
	return append(o, member{"body", raw(a.body)})
}

// decodeBatch reads the body of $batch. A fault of one item refuses the whole.
func decodeBatch(body []byte) ([]item, error) {
	top, err := readObject(body)
	if err != nil {
		return nil, err
	}
	var list []json.RawMessage
	if value, found := top["requests"]; !found || len(top) != 1 || json.Unmarshal(value, &list) != nil || len(list) == 0 {
		return nil, badBatch("The batch must have the property 'requests', a list, and no other.")
	}
	if len(list) > mostItems {
		return nil, badBatch("Number of batch requests exceeds the limit of 20.")
	}
	seen := map[string]bool{}
	items := make([]item, 0, len(list))
	for _, one := range list {
		it, err := decodeItem(one)
		if err != nil {
			return nil, err
		}
		for _, id := range it.after {
			if !seen[id] {
				return nil, badBatch("A request depends on one that does not come before it.")
			}
		}
		if id := strings.ToLower(it.id); seen[id] {
			return nil, badBatch("Request id '" + clip(it.id) + "' is not unique.")
		}
		seen[strings.ToLower(it.id)] = true
		items = append(items, it)
	}
	return items, nil
}

func badBatch(message string) error { return badRequest("BadRequest", message) }

func decodeItem(value json.RawMessage) (item, error) {
	var it item
	m, err := readObject(value)
	if err != nil {
		return it, err
	}
	for name, v := range m {
		switch name {
		case "id":
			it.id, err = text(name, v)
		case "method":
			it.method, err = text(name, v)
		case "url":
			it.url, err = text(name, v)
		case "headers":
			it.header, err = decodeHeader(v)
		case "dependsOn":
			it.after, err = decodeAfter(v)
		case "body":
		default:
			err = noProperty(name, "batch request")
		}
		if err != nil {
			return it, err
		}
	}
	if it.id == "" || it.method == "" || it.url == "" {
		return it, badBatch("Each request needs id, method and url.")
	}
	if strings.Contains(it.url, "://") && strings.Index(it.url, "://") < 8 {
		return it, badBatch("The url of a request is relative to the version root.")
	}
	it.method = strings.ToUpper(it.method)
	if it.header == nil {
		it.header = http.Header{}
	}
	if v, ok := m["body"]; ok && !isNull(v) {
		it.body, err = decodeItemBody(v, it.header)
	}
	return it, err
}

func decodeHeader(value json.RawMessage) (http.Header, error) {
	header := http.Header{}
	if isNull(value) {
		return header, nil
	}
	m, err := readObject(value)
	if err != nil {
		return nil, err
	}
	for name, v := range m {
		s, err := text(name, v)
		if err != nil {
			return nil, err
		}
		header.Add(textproto.CanonicalMIMEHeaderKey(name), s)
	}
	header.Del("Authorization") // the outer request's counts
	return header, nil
}

func decodeAfter(value json.RawMessage) ([]string, error) {
	var ids []string
	if json.Unmarshal(value, &ids) != nil {
		return nil, wrongType("dependsOn", "Collection(Edm.String)")
	}
	for i := range ids {
		ids[i] = strings.ToLower(ids[i])
	}
	return ids, nil
}

// decodeItemBody takes an object as it is and a string as base64url.
func decodeItemBody(value json.RawMessage, header http.Header) ([]byte, error) {
	if header.Get("Content-Type") == "" {
		return nil, badBatch("A request with a body needs the header Content-Type.")
	}
	if value[0] != '"' {
		return value, nil
	}
	s, err := text("body", value)
	if err != nil {
		return nil, err
	}
	decoded, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil {
		return nil, badBatch("The body of a request is neither an object nor base64url.")
	}
	return decoded, nil
}
