package state

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// errNoTable is TableNotFound: the call is repeated after making the table.
var errNoTable = errors.New("no such table")

// ServiceError is an answer of the table service that is none of the errors
// callers decide on. For a write the outcome is unknown.
type ServiceError struct {
	Status int
	Code   string // the service's, "" when the answer had none
}

func (e *ServiceError) Error() string {
	return fmt.Sprintf("table service answered %d %s", e.Status, e.Code)
}

// refused turns status and code into the error callers decide on. A 404 or 409
// counts only with the code that says so: "no such row" must never be read from
// a proxy's page or from a missing table. The message is left out, because the
// service repeats keys and values in it.
func refused(status int, code string) error {
	switch code {
	case "TableNotFound":
		return errNoTable
	case "ResourceNotFound", "EntityNotFound":
		if status == http.StatusNotFound {
			return ErrNotFound
		}
	case "EntityAlreadyExists":
		return ErrExists
	case "EntityTooLarge", "PropertyValueTooLarge", "RequestBodyTooLarge", "TooManyProperties", "ContentLengthExceeded":
		return fmt.Errorf("%w: %s", ErrTooLarge, code)
	}
	switch status {
	case http.StatusPreconditionFailed:
		return ErrPrecondition
	case http.StatusRequestEntityTooLarge:
		return ErrTooLarge
	}
	return &ServiceError{Status: status, Code: printable(code)}
}

// refusal reads an answer that is not a success.
func (x *exchange) refusal() error {
	f := parseFault(x.answer)
	if f.code == "" {
		f.code = x.header.Get("x-ms-error-code")
	}
	return refused(x.status, f.code)
}

// refusalOfAll reads the answer to a transaction that was not taken apart at all.
// It can say that the table is missing or the body too large, nothing of a row.
func (x *exchange) refusalOfAll() error {
	err := x.refusal()
	if known(err) && !errors.Is(err, ErrTooLarge) {
		return &ServiceError{Status: x.status}
	}
	return err
}

// known says that err tells the caller something about the rows.
func known(err error) bool {
	return errors.Is(err, ErrNotFound) || errors.Is(err, ErrExists) || errors.Is(err, ErrPrecondition) || errors.Is(err, ErrTooLarge)
}

// bare takes the URL, which holds keys, out of a transport's error.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// printable keeps a code to what codes look like.
func printable(code string) string {
	for i := range len(code) {
		if !letter(code[i]) || i == 64 {
			return "(unreadable code)"
		}
	}
	return code
}
