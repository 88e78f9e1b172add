package host

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/google/uuid"
)

// instance is one functions host: a handler, and the listeners of its group.
type instance struct {
	h      *Host
	group  string
	worker *worker
	// listening ends when no more work is taken, calls when running calls are ended.
	listening, calls         context.Context
	stopListening, stopCalls context.CancelCauseFunc
	work                     sync.WaitGroup
	mu                       sync.Mutex
	clients                  map[string]*busClient
	senders                  map[string]*azservicebus.Sender
	coreTools                bool
}

// newInstance picks a port for the handler.
func newInstance(h *Host, group string) (*instance, error) {
	in := &instance{
		h: h, group: group, clients: map[string]*busClient{}, senders: map[string]*azservicebus.Sender{},
		coreTools: h.settings.get("FUNCTIONS_CORETOOLS_ENVIRONMENT") != "",
	}
	in.calls, in.stopCalls = context.WithCancelCause(context.Background())
	in.listening, in.stopListening = context.WithCancelCause(in.calls)
	w, err := newWorker(h, group, in.fail)
	if err != nil {
		return nil, err
	}
	in.worker = w
	return in, nil
}

// fail ends the functions host without notice.
func (in *instance) fail(err error) { in.stopCalls(err) }

// run serves until ctx ends, then stops gracefully; or until the host fails.
func (in *instance) run(ctx context.Context) error {
	in.worker.launch()
	for _, f := range in.h.functions {
		if !f.disabled && (in.group == "" || f.group() == in.group) {
			in.listen(f)
		}
	}
	go func() {
		if _, err := in.worker.await(in.calls); err == nil {
			in.h.markUp(in.group)
		}
	}()
	select {
	case <-ctx.Done():
		in.closeDoor()
	case <-in.calls.Done():
	}
	in.finish()
	return context.Cause(in.calls)
}

// enter counts a call that came from outside, until leave; it reports false once the
// host takes no more.
func (in *instance) enter() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.listening.Err() != nil {
		return false
	}
	in.work.Add(1)
	return true
}

func (in *instance) leave() { in.work.Done() }

func (in *instance) closeDoor() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.stopListening(errStopped)
}

// finish waits for running calls, 10 s at most, and ends what is left.
func (in *instance) finish() {
	done := make(chan struct{})
	go func() { in.work.Wait(); close(done) }()
	late := in.h.clock.after(grace, func() { in.stopCalls(errStopped) })
	select {
	case <-done:
	case <-in.calls.Done():
	}
	late.stop()
	in.stopCalls(errStopped)
	in.closeDoor()
	in.worker.stop()
	in.closeBus()
	<-done
}

// listen starts the listener of a function that has one.
func (in *instance) listen(f *function) {
	switch f.kind() {
	case triggerTimer:
		since := in.h.clock.now() // before the host is ready, whenever the goroutine comes to run
		in.work.Go(func() { in.runTimer(f, since) })
	case triggerBus:
		in.work.Go(func() { in.receive(f) })
	}
}

// invoke calls a function with an envelope and applies its outputs (§2.5). Any error
// is a failed invocation.
func (in *instance) invoke(f *function, envelope []byte) (*result, error) {
	in.h.calls.Add(1)
	defer in.h.calls.Add(-1)
	id := uuid.NewString()
	res, err := in.call(f, id, envelope)
	if err == nil {
		err = in.applyOutputs(f, res)
	}
	if err != nil {
		in.h.print(Error, "Function."+f.name, id, fmt.Sprintf("Executed 'Functions.%s' (Failed): %v", f.name, err))
	}
	return res, err
}

// call is the exchange of one envelope, bounded by functionTimeout: then the handler
// is killed, and every other call with it (§1.5).
func (in *instance) call(f *function, id string, envelope []byte) (*result, error) {
	ctx, cancel := context.WithCancelCause(in.calls)
	defer cancel(nil)
	if d := in.h.config.functionTimeout; d > 0 {
		defer in.h.clock.after(d, func() { cancel(errTimedOut) }).stop()
	}
	start, err := in.worker.await(ctx)
	if err != nil {
		return nil, err
	}
	r, err := in.post(ctx, f, id, envelope)
	var res *result
	if err == nil {
		res, err = readReply(r)
	}
	if errors.Is(err, errHang) {
		in.h.print(Error, "Function."+f.name, id, fmt.Sprintf("HANG: the handler answered %d without a result "+
			"(empty, blank or null body): no result is ever set, and the call lasts until functionTimeout", r.status))
		err = in.hang(ctx, start)
	}
	if errors.Is(err, errTimedOut) {
		in.h.print(Error, "Function."+f.name, id, "function timeout: the handler is killed, with every other call in flight")
		in.worker.kill(start, true)
	}
	if err != nil {
		return nil, err
	}
	for _, line := range res.logs {
		in.h.print(Information, "Function."+f.name+".User", id, line)
	}
	return res, nil
}

// hang waits for what ends a call whose result is never set.
func (in *instance) hang(ctx context.Context, start int) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-in.worker.gone(start):
		return errors.New("the handler ended")
	}
}
