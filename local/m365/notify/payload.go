package notify

import (
	"encoding/json"
	"strconv"

	"github.com/google/uuid"
)

// told is one notification as it is sent (6.4, 6.6).
type told struct {
	ID             string `json:"id,omitempty"`
	SubscriptionID string `json:"subscriptionId"`
	Expires        string `json:"subscriptionExpirationDateTime"`
	Tenant         string `json:"tenantId"`
	ChangeType     string `json:"changeType,omitempty"`
	ClientState    string `json:"clientState,omitempty"`
	Resource       string `json:"resource,omitempty"`
	Data           *data  `json:"resourceData,omitempty"`
	Lifecycle      string `json:"lifecycleEvent,omitempty"`
}

type data struct {
	Type string `json:"@odata.type"`
	Path string `json:"@odata.id"`
	Tag  string `json:"@odata.etag,omitempty"`
	ID   string `json:"id"`
}

// payload is the body of a POST. The caller holds the lock.
func (h *Hub) payload(batch []*notice) []byte {
	all := make([]told, 0, len(batch))
	for _, n := range batch {
		s := n.subscription
		t := told{SubscriptionID: s.ID, Expires: s.Expires.UTC().Format("2006-01-02T15:04:05") + "+00:00", Tenant: s.Tenant, ClientState: s.ClientState}
		if h.switches.WithIDs {
			t.ID = uuid.NewSHA1(uuid.NameSpaceURL, []byte("notification "+strconv.Itoa(n.number))).String()
		}
		if n.lifecycle {
			t.Lifecycle = n.kind
			all = append(all, t)
			continue
		}
		kind := "#Microsoft.Graph.Event"
		t.ChangeType, t.Resource = n.kind, "Users/"+s.User+"/Events/"+n.event
		switch h.switches.Casing {
		case "lower":
			t.Resource, kind = "users/"+s.User+"@"+s.Tenant+"/events/"+n.event, "#microsoft.graph.event"
		case "keys":
			t.Resource = "Users('" + s.User + "')/Events('" + n.event + "')"
		}
		t.Data = &data{Type: kind, Path: t.Resource, ID: n.event}
		if n.kind != "deleted" {
			t.Data.Tag = `W/"` + n.tag + `"`
		}
		all = append(all, t)
	}
	body, err := json.Marshal(map[string][]told{"value": all})
	if err != nil {
		panic("notify: a notification is not JSON: " + err.Error())
	}
	return body
}
