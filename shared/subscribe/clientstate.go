package subscribe

import (
	"regexp"
	"strings"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/link"
)

// stateSize is the length of a client state in characters; Graph takes 128 (contract 6.2).
const stateSize = 1 + 1 + 8 + 1 + key.TextSize + 1 + link.Size

// stateVersion is what a client state begins with.
const stateVersion = "1"

var guid = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

// ClientState is what the subscription of a connection to a mailbox in a tenant brings
// back with every notification: 1.<key id>.<connection key>.<HMAC over connection key and
// tenant id>. The tenant's letters are lower case in it, as Graph's notifications need
// not have them.
func ClientState(keys *link.Keys, connection key.Key, tenant string) string {
	c := connection.String()
	return strings.Join([]string{stateVersion, keys.SigningID(), c, keys.Sign(link.PurposeClientState, c, strings.ToLower(tenant))}, ".")
}

// Verify finds the connection of a client state that came with a notification of a
// tenant; false where no key of ours signed it for that tenant. It reads no table.
func Verify(keys *link.Keys, clientState, tenant string) (key.Key, bool) {
	if len(clientState) != stateSize || !guid.MatchString(tenant) {
		return key.Key{}, false
	}
	parts := strings.Split(clientState, ".")
	if len(parts) != 4 || parts[0] != stateVersion {
		return key.Key{}, false
	}
	connection, err := key.Parse(parts[2])
	if err != nil || !keys.VerifyBy(parts[1], link.PurposeClientState, parts[3], parts[2], strings.ToLower(tenant)) {
		return key.Key{}, false
	}
	return connection, true
}
