package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"
)

func TestCheckHoldsTheLimitsOfIDsAndProperties(t *testing.T) {
	long := strings.Repeat("x", MaxID)
	for name, c := range map[string]struct {
		m    Message
		want error
		bad  bool
	}{
		"empty":              {m: Message{}},
		"ids as long as may": {m: Message{ID: long, SessionID: long}},
		"id too long":        {m: Message{ID: long + "x"}, want: ErrTooLarge, bad: true},
		"session too long":   {m: Message{SessionID: long + "x"}, want: ErrTooLarge, bad: true},
		"all property types": {m: Message{Properties: map[string]any{"a": "", "b": int64(0), "c": false, "d": 0.0}}},
		"int":                {m: Message{Properties: map[string]any{"a": 1}}, bad: true},
		"nil":                {m: Message{Properties: map[string]any{"a": nil}}, bad: true},
	} {
		err := c.m.Check()
		if (err != nil) != c.bad || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What each answer of the bus means to a caller, and whether the link that it
// came on is used again.
func TestErrorsAreClassified(t *testing.T) {
	rejected := func(c amqp.ErrCond) error { return fmt.Errorf("sdk: %w", &amqp.Error{Condition: c}) }
	detached := func(c amqp.ErrCond) error { return &amqp.LinkError{RemoteErr: &amqp.Error{Condition: c}} }
	for name, c := range map[string]struct {
		err       error
		want      error
		keepsLink bool
	}{
		"none":                     {nil, nil, true},
		"SDK counts too many":      {azservicebus.ErrMessageTooLarge, ErrTooLarge, true},
		"refused as too large":     {rejected(amqp.ErrCondMessageSizeExceeded), ErrTooLarge, true},
		"detached as too large":    {detached(amqp.ErrCondMessageSizeExceeded), ErrTooLarge, false},
		"full":                     {rejected(amqp.ErrCondResourceLimitExceeded), ErrFull, true},
		"detached as full":         {detached(amqp.ErrCondResourceLimitExceeded), ErrFull, false},
		"unauthorised":             {rejected(amqp.ErrCondUnauthorizedAccess), nil, false},
		"unknown entity":           {detached(amqp.ErrCondNotFound), nil, false},
		"connection lost":          {&amqp.ConnError{}, nil, false},
		"the caller gave up":       {context.Canceled, nil, true},
		"the bus does not answer":  {context.DeadlineExceeded, nil, false},
		"our own check, too large": {fmt.Errorf("id: %w", ErrTooLarge), ErrTooLarge, true},
	} {
		got := classify(c.err)
		for _, kind := range []error{ErrTooLarge, ErrFull} {
			if errors.Is(got, kind) != (kind == c.want) {
				t.Errorf("%s: %v, want %v", name, got, c.want)
			}
		}
		if keepsLink(c.err) != c.keepsLink {
			t.Errorf("%s: link kept %v, want %v", name, !c.keepsLink, c.keepsLink)
		}
	}
}
