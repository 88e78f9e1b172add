package graph_test

import (
	"net/http"
	"testing"

	"github.com/calbridge/calbridge/shared/graph"
)

// An expired link is one in all its spellings; what else fails is what it always is.
func TestEveryFormOfAnExpiredLinkIsGone(t *testing.T) {
	for _, tt := range []struct {
		status int
		code   string
		want   graph.Kind
	}{
		{410, "SyncStateNotFound", graph.Gone}, {410, "syncStateNotFound", graph.Gone}, {410, "resyncRequired", graph.Gone},
		{410, "", graph.Gone}, {410, "whatever", graph.Gone}, {400, "SyncStateInvalid", graph.Gone}, {400, "ErrorInvalidDeltaToken", graph.Gone},
		{404, "SYNCSTATENOTFOUND", graph.Gone}, {400, "ErrorInvalidUrlQuery", graph.Invalid}, {400, "", graph.Transient},
		{404, "ErrorItemNotFound", graph.Gone}, {503, "ServiceUnavailable", graph.Transient}, {504, "UnknownError", graph.Transient},
	} {
		if e := graph.ClassifyDelta(tt.status, tt.code, nil); e == nil || e.Kind != tt.want || e.Status != tt.status {
			t.Errorf("%d %q: %+v, want %v", tt.status, tt.code, e, tt.want)
		}
	}
	if e := graph.ClassifyDelta(http.StatusOK, "", nil); e != nil {
		t.Error(e)
	}
}

func TestAnUnknownSubscriptionIsGoneAndADuplicateNamesTheOneThereIs(t *testing.T) {
	const id = "8b3f0a52-0000-4000-8000-00000000000a"
	for _, tt := range []struct {
		id       string
		status   int
		code     string
		message  string
		want     graph.Kind
		existing string
	}{
		{id, 404, "ResourceNotFound", "The object was not found.", graph.Gone, ""},
		{id, 404, "", "", graph.Transient, ""}, // a proxy's
		{"", 404, "ResourceNotFound", "", graph.Unreachable, ""},
		{"", 409, "ObjectIdentifierInUse", "Subscription Id " + id + " already exists for the requested combination", graph.Conflict, id},
		{"", 409, "", "Subscription Id " + id + " already exists for the requested combination", graph.Conflict, id},
		{"", 409, "Conflict", "Another one.", graph.Conflict, ""},
		{"", 400, "ValidationError", "Subscription validation request timed out.", graph.Invalid, ""},
		{id, 403, "ErrorAccessDenied", "", graph.Unreachable, ""},
	} {
		e := graph.ClassifySubscription(tt.id, tt.status, tt.code, tt.message, nil)
		if e == nil || e.Kind != tt.want || e.ExistingID != tt.existing {
			t.Errorf("%d %q: %+v", tt.status, tt.code, e)
		}
	}
	if e := graph.ClassifySubscription(id, 204, "", "", nil); e != nil {
		t.Error(e)
	}
}
