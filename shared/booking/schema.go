package booking

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/calbridge/calbridge/docs/schemas"
)

// schemaURL is the $id of the published schema.
const schemaURL = "urn:calbridge:schema:booking.v1"

// published is the compiled schema. It is made by the first message, not at
// start: compiling takes milliseconds that the handler does not have before it
// listens.
type published struct {
	schema *jsonschema.Schema
	// said maps the place of a subschema to its description, which faults quote, so
	// that the reader of a fault and the reader of the schema are told the same.
	said map[string]string
}

var compiled = sync.OnceValue(func() published {
	text, err := schemas.Read(schemas.Booking)
	if err != nil {
		panic(err) // it is linked in
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		panic(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(schemaURL, doc); err != nil {
		panic(err)
	}
	schema, err := c.Compile(schemaURL)
	if err != nil {
		panic(err) // TestSchemasCompile
	}
	said := map[string]string{}
	collect(doc, schemaURL+"#", said)
	return published{schema, said}
})

func collect(node any, place string, said map[string]string) {
	switch node := node.(type) {
	case map[string]any:
		if text, ok := node["description"].(string); ok {
			said[place] = text
		}
		for name, child := range node {
			collect(child, place+"/"+escape(name), said)
		}
	case []any:
		for i, child := range node {
			collect(child, place+"/"+strconv.Itoa(i), said)
		}
	}
}

// validate notes what the schema finds wrong with an event.
func (p published) validate(root any, fs *faults) {
	known := maps.Clone(fs.seen) // what the parser replaced needs no second fault
	var invalid *jsonschema.ValidationError
	if err := p.schema.Validate(root); errors.As(err, &invalid) {
		p.walk(invalid, known, fs)
	} else if err != nil {
		fs.add("", CodeSyntax, "cannot be validated")
	}
}

func (p published) walk(e *jsonschema.ValidationError, known map[string]bool, fs *faults) {
	for _, cause := range e.Causes {
		p.walk(cause, known, fs)
	}
	if len(e.Causes) > 0 {
		return
	}
	var pointer strings.Builder
	for _, step := range e.InstanceLocation {
		pointer.WriteString("/" + escape(step))
	}
	if at := pointer.String(); !known[at] {
		p.note(at, e, fs)
	}
}

// note turns one finding into faults.
func (p published) note(pointer string, e *jsonschema.ValidationError, fs *faults) {
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		for _, name := range k.Missing {
			fs.add(pointer+"/"+escape(name), CodeRequired, "is missing")
		}
	case *kind.DependentRequired:
		for _, name := range k.Missing {
			fs.add(pointer+"/"+escape(name), CodeRequired, "is missing: %s and %s are there together or neither is", name, k.Prop)
		}
	case *kind.Type:
		fs.add(pointer, CodeType, "must be %s, not %s", article(strings.Join(k.Want, " or ")), article(k.Got))
	case *kind.Enum:
		fs.add(pointer, CodeValue, "must be one of %s", list(k.Want))
	case *kind.Const:
		fs.add(pointer, CodeValue, "must be %q", fmt.Sprint(k.Want))
	case *kind.Pattern:
		fs.add(pointer, CodeFormat, "must be %s", p.said[e.SchemaURL])
	case *kind.MinLength:
		fs.add(pointer, CodeRequired, "must not be empty")
	case *kind.MaxLength:
		fs.add(pointer, CodeTooLong, "has %d characters; at most %d are allowed", k.Got, k.Want)
	case *kind.MaxItems:
		fs.add(pointer, CodeTooMany, "has %d items; at most %d are allowed", k.Got, k.Want)
	case *kind.Minimum:
		fs.add(pointer, CodeRange, "must be at least %s", k.Want.RatString())
	case *kind.Maximum:
		fs.add(pointer, CodeRange, "must be at most %s", k.Want.RatString())
	case *kind.Not:
		fs.add(pointer, CodeValue, "must not be there: %s", p.said[e.SchemaURL])
	default:
		fs.add(pointer, CodeFormat, "does not have the form that the schema asks for")
	}
}

func article(noun string) string {
	switch {
	case noun == "null":
		return "null (leave it out instead)"
	case strings.IndexByte("aeiou", noun[0]) >= 0:
		return "an " + noun
	}
	return "a " + noun
}

func list(values []any) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = fmt.Sprint(v)
	}
	return strings.Join(texts, ", ")
}
