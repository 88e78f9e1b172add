package host

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os/exec"
	"runtime"
	"sync"
	"time"
)

// Command is what the host starts: §1.4 and §1.1.
type Command struct {
	// Path is absolute, or left to the search path.
	Path string
	Args []string
	Dir  string
	// Env is the whole environment.
	Env []string
	// Output takes each line of stdout, and of stderr; it may be called from several goroutines.
	Output func(stderr bool, line string)
}

// Process is a started handler.
type Process interface {
	// Kill ends the process at once, without notice (SIGKILL). Killing one that ended is nothing.
	Kill()
	// Wait returns when the process has ended and its output is read, with its exit
	// code; -1 when a signal ended it. It is called once.
	Wait() int
}

// Launcher starts handlers.
type Launcher interface {
	// Start returns an error if the program cannot be started, and nothing was.
	Start(Command) (Process, error)
}

// Programs starts the handler as a child process; it is the default Launcher.
type Programs struct{}

var _ Launcher = Programs{}

// Start implements [Launcher].
func (Programs) Start(c Command) (Process, error) {
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Dir, cmd.Env = c.Dir, c.Env
	cmd.SysProcAttr = childAttributes()
	// A handler that leaves children behind must not keep Wait from returning.
	cmd.WaitDelay = time.Second
	out, errout := newLines(c.Output, false), newLines(c.Output, true)
	cmd.Stdout, cmd.Stderr = out.w, errout.w
	p := &program{cmd: cmd, ended: make(chan struct{})}
	started := make(chan error)
	go p.run(started, out, errout)
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// program is a child process.
type program struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// run starts the child and waits for it on one thread: the kernel ends the child
// with the thread that started it, which must therefore live as long.
func (p *program) run(started chan<- error, output ...*lines) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err == nil {
		_ = p.cmd.Wait()
	}
	for _, o := range output {
		o.close()
	}
	close(p.ended)
}

func (p *program) Kill() { _ = p.cmd.Process.Kill() }

func (p *program) Wait() int {
	<-p.ended
	return p.cmd.ProcessState.ExitCode()
}

// lines cuts a stream into lines.
type lines struct {
	w    *io.PipeWriter
	done chan struct{}
}

func newLines(output func(bool, string), stderr bool) *lines {
	r, w := io.Pipe()
	l := &lines{w, make(chan struct{})}
	go func() {
		defer close(l.done)
		br := bufio.NewReaderSize(r, 64*1024)
		for {
			line, _, err := br.ReadLine() // longer lines come in pieces
			if err != nil {
				return
			}
			if output != nil {
				output(stderr, string(line))
			}
		}
	}()
	return l
}

func (l *lines) close() {
	_ = l.w.Close()
	<-l.done
}

// InProcess is a Launcher for fast tests: the handler is a function of the same
// program. It must listen on the port that the environment names, and return its
// exit code soon after ctx ends, which stands for SIGKILL.
type InProcess func(ctx context.Context, c Command) (exit int)

var _ Launcher = InProcess(nil)

// Start implements [Launcher].
func (f InProcess) Start(c Command) (Process, error) {
	if f == nil {
		return nil, errors.New("no handler function")
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &inProcess{cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		p.code = f(ctx, c)
		if p.killed() {
			p.code = -1
		}
	}()
	return p, nil
}

type inProcess struct {
	cancel context.CancelFunc
	ended  chan struct{}
	code   int

	mu  sync.Mutex
	hit bool
}

func (p *inProcess) Kill() {
	p.mu.Lock()
	p.hit = true
	p.mu.Unlock()
	p.cancel()
}

func (p *inProcess) killed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hit
}

func (p *inProcess) Wait() int {
	<-p.ended
	p.cancel()
	return p.code
}
