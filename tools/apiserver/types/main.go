// Command types prints the Go types behind the built-in kinds, as JSON: what the API server decodes a manifest into.
//
// For each struct: its name as Go's errors print it, and for each field its type and whether it is left out when empty.
// A type that reads JSON by itself is a leaf. `tools/builtin_types.py` runs it.
package main

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/client-go/kubernetes/scheme"
	aggregation "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

type field struct {
	Type  string `json:"type"`
	Empty string `json:"empty,omitempty"` // "omit" or "zero": left out when empty, or when it is the zero value
	Via   string `json:"via,omitempty"`   // the embedded struct that has it, which error messages name
}

type record struct {
	Name   string           `json:"name"`
	Fields map[string]field `json:"fields"`
}

var (
	unmarshaler = reflect.TypeFor[json.Unmarshaler]()
	structs     = map[string]record{}
	named       = map[string]string{} // leaves with a name: what they are underneath
)

func main() {
	if err := apiextensions.AddToScheme(scheme.Scheme); err != nil {
		panic(err)
	}
	if err := aggregation.AddToScheme(scheme.Scheme); err != nil {
		panic(err)
	}
	roots := map[string]string{}
	for gvk, goType := range scheme.Scheme.AllKnownTypes() {
		if gvk.Version == "__internal" || strings.HasPrefix(gvk.Kind, "Watch") || strings.HasSuffix(gvk.Kind, "Options") {
			continue
		}
		roots[gvk.GroupVersion().String()+" "+gvk.Kind] = describe(goType)
	}
	encoder := json.NewEncoder(os.Stdout)
	if err := encoder.Encode(map[string]any{"roots": roots, "structs": structs, "named": named}); err != nil {
		panic(err)
	}
}

// describe writes a type as Go does, with whole package paths.
func describe(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		return "*" + describe(t.Elem())
	}
	if t.Name() != "" && t.PkgPath() != "" {
		name := t.PkgPath() + "." + t.Name()
		if reflect.PointerTo(t).Implements(unmarshaler) {
			named[name] = "own"
		} else if t.Kind() == reflect.Struct {
			describeStruct(name, t)
		} else if _, known := named[name]; !known {
			named[name] = ""
			named[name] = underneath(t)
		}
		return name
	}
	return underneath(t)
}

func underneath(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Slice:
		return "[]" + describe(t.Elem())
	case reflect.Map:
		return "map[" + describe(t.Key()) + "]" + describe(t.Elem())
	default:
		return t.Kind().String()
	}
}

func describeStruct(name string, t reflect.Type) {
	if _, known := structs[name]; known {
		return
	}
	found := record{Name: t.Name(), Fields: map[string]field{}}
	structs[name] = found
	collect(t, found.Fields, "")
}

func collect(t reflect.Type, fields map[string]field, via string) {
	for i := range t.NumField() {
		part := t.Field(i)
		tag, options, _ := strings.Cut(part.Tag.Get("json"), ",")
		if tag == "-" || !part.IsExported() {
			continue
		}
		if tag == "" && part.Anonymous {
			collect(part.Type, fields, part.Name)
			continue
		}
		if tag == "" {
			tag = part.Name
		}
		empty := ""
		if strings.Contains(options, "omitempty") {
			empty = "omit"
		}
		if strings.Contains(options, "omitzero") {
			empty = "zero"
		}
		fields[tag] = field{describe(part.Type), empty, via}
	}
}
