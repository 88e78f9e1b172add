package servicebus

// Error is a refusal with the condition that an AMQP client sees.
type Error struct {
	// Condition is one of the constants below.
	Condition string
	// Description never contains what was sent.
	Description string
}

func (e *Error) Error() string { return "servicebus: " + e.Condition + ": " + e.Description }

// Conditions, by the names that azservicebus branches on. Which one the service
// gives for an over-long id, an over-large property and a missing session id is
// guessed (InvalidOperation, which clients see as not-allowed).
const (
	NotFound          = "amqp:not-found"
	NotAllowed        = "amqp:not-allowed"
	TooLarge          = "amqp:link:message-size-exceeded"
	Full              = "amqp:resource-limit-exceeded"
	NotImplemented    = "amqp:not-implemented"
	DecodeError       = "amqp:decode-error"
	Unauthorized      = "amqp:unauthorized-access"
	MessageLockLost   = "com.microsoft:message-lock-lost"
	SessionLockLost   = "com.microsoft:session-lock-lost"
	SessionCannotLock = "com.microsoft:session-cannot-be-locked"
	Timeout           = "com.microsoft:timeout"
	ServerBusy        = "com.microsoft:server-busy"
	EntityDisabled    = "com.microsoft:entity-disabled"
	messageNotFound   = "com.microsoft:message-not-found"
	framingError      = "amqp:connection:framing-error"
)

func refuse(condition, description string) *Error {
	return &Error{Condition: condition, Description: description}
}
