package exchange

import (
	"fmt"
	"net/http"
)

// Error is a refusal as Graph words it. Messages never quote content.
type Error struct {
	Status  int // HTTP status
	Code    string
	Message string
	// ExistingID is the event that a duplicate transactionId names, where the
	// switch says that Graph does (2.5).
	ExistingID string
}

func (e *Error) Error() string { return fmt.Sprintf("exchange: %d %s", e.Status, e.Code) }

func refuse(status int, code, message string) *Error {
	return &Error{Status: status, Code: code, Message: message}
}

func invalid(code, message string) *Error { return refuse(http.StatusBadRequest, code, message) }

// The refusals of contract section 9 that occur in more than one place.
func errNotFound() *Error {
	return refuse(http.StatusNotFound, "ErrorItemNotFound", "The specified object was not found in the store.")
}

func errMalformedID() *Error { return invalid("ErrorInvalidIdMalformed", "Id is malformed.") }

func errConflict() *Error {
	return refuse(http.StatusPreconditionFailed, "ErrorIrresolvableConflict",
		"The send or update operation could not be performed because the change key passed in the request does not match the current change key for the item.")
}

func errProperty() *Error {
	return invalid("ErrorPropertyValidationFailure", "At least one property failed validation.")
}

func errZone() *Error {
	return invalid("TimeZoneNotSupportedException", "A valid TimeZone value must be specified.")
}
