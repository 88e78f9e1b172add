// Command keys makes and rotates the two secrets of Calbridge that are its own, the
// settings TOKEN_KEYSET and LINK_KEYS, and checks settings before they are used.
//
//	keys token-keyset            a new keyset: one AES256_GCM key, Tink's JSON
//	keys link-keys               new link keys: one of 32 bytes
//	keys <kind> add       < old  with one more key, which does not seal or sign yet
//	keys <kind> add -use  < old  with one more key, which seals or signs at once
//	keys <kind> use ID    < old  the key ID seals or signs from now on; the others stay
//	keys <kind> drop ID   < old  without the key ID, which must not be the one in use
//	keys <kind> list      < old  the ids, the one in use first, and no key
//	keys check [FILE]            faults of a local.settings.json, or of the environment
//
// <kind> is token-keyset or link-keys. Values come from standard input and go to
// standard output, so that no list of processes and no shell history has them; the
// rest is on standard error. The exit status is 0, 1 if something is wrong with what
// was read, 2 for a wrong command line.
//
// # Rotation
//
// While new settings are rolled out, instances with the old ones run as well, and
// cannot open or verify what a key makes that they do not have (package seal). So a
// rotation is add, roll out, use, roll out, and drop when nothing of the old key is
// left: a day later for the keyset, eight days later for link keys, which is how long
// links and subscriptions live (design.md, Settings). add -use is for when nothing
// runs, or when the old key is known to others and has to go now: then drop it as well.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
)

const usage = `usage: keys token-keyset|link-keys [add [-use] | use ID | drop ID | list] < old
       keys check [FILE]`

// errUsage is the fault of the command line.
var errUsage = errors.New(usage)

func main() {
	err := run(os.Args[1:], streams{os.Stdin, os.Stdout, os.LookupEnv})
	switch {
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// streams are what the command reads and writes, standard error left out.
type streams struct {
	in  io.Reader
	out io.Writer
	env func(string) (string, bool)
}

func run(args []string, s streams) error {
	if len(args) == 0 {
		return errUsage
	}
	switch args[0] {
	case "token-keyset":
		return change(args[1:], s, newKeyset, parseKeyset)
	case "link-keys":
		return change(args[1:], s, newLinks, parseLinks)
	case "check":
		return check(args[1:], s)
	}
	return errUsage
}

// keys are several, one of which is in use. Every method leaves them as they were
// when it fails.
type keys interface {
	// add puts one more key in, not in use, and returns its id.
	add() (id string, err error)
	// use puts a key in use.
	use(id string) error
	// drop takes a key out that is not in use.
	drop(id string) error
	// list describes them, one line each, without the keys.
	list() []string
	// text is the setting's value.
	text() (string, error)
}

// change runs one order over the keys that stand in s.in, or over new ones.
func change[K keys](args []string, s streams, fresh func() (K, error), parse func(string) (K, error)) error {
	if len(args) == 0 {
		k, err := fresh()
		if err != nil {
			return err
		}
		return print(s.out, k)
	}
	order, err := orderOf(args)
	if err != nil {
		return err
	}
	old, err := io.ReadAll(s.in)
	if err != nil {
		return err
	}
	k, err := parse(string(old))
	if err != nil {
		return err
	}
	if args[0] == "list" {
		for _, line := range k.list() {
			if _, err := fmt.Fprintln(s.out, line); err != nil {
				return err
			}
		}
		return nil
	}
	if err := order(k); err != nil {
		return err
	}
	return print(s.out, k)
}

// orderOf reads the command line's rest.
func orderOf(args []string) (func(keys) error, error) {
	switch {
	case args[0] == "list" && len(args) == 1:
		return func(keys) error { return nil }, nil
	case args[0] == "add" && len(args) == 1:
		return func(k keys) error { _, err := k.add(); return err }, nil
	case args[0] == "add" && len(args) == 2 && args[1] == "-use":
		return func(k keys) error {
			id, err := k.add()
			if err != nil {
				return err
			}
			return k.use(id)
		}, nil
	case args[0] == "use" && len(args) == 2:
		return func(k keys) error { return k.use(args[1]) }, nil
	case args[0] == "drop" && len(args) == 2:
		return func(k keys) error { return k.drop(args[1]) }, nil
	}
	return nil, errUsage
}

func print(out io.Writer, k keys) error {
	text, err := k.text()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, text)
	return err
}
