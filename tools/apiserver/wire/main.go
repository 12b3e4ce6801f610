// Command wire prints how the built-in kinds look in protobuf, as JSON: for each type its fields with number, name in JSON
// and form. Reads from standard input which kinds: a list of [group, version, kind].
//
// Forms: s text, b boolean, i integer, d float, y bytes, the name of another type; before it [] for a list, {} for a map by
// text, and L for a list that is a message of its own. A trailing * says that zero is a value: the field is a pointer, or is
// written to JSON always.
package main

import (
	"encoding/json"
	"log"
	"os"
	"reflect"
	"strconv"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

type field struct {
	Number int    `json:"number"`
	Name   string `json:"name"`
	Form   string `json:"form"`
}

var types = map[string][]field{}

func main() {
	all := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, apiextensions.AddToScheme, apiregistration.AddToScheme} {
		must(add(all))
	}
	var kinds [][3]string
	must(json.NewDecoder(os.Stdin).Decode(&kinds))
	roots := map[string]string{"DeleteOptions": visit(reflect.TypeOf(metav1.DeleteOptions{}))}
	for _, each := range kinds {
		kind := schema.GroupVersionKind{Group: each[0], Version: each[1], Kind: each[2]}
		found, ok := all.AllKnownTypes()[kind]
		if !ok {
			log.Fatalf("%v: not in any scheme", kind)
		}
		roots[kind.GroupVersion().String()+"/"+kind.Kind] = visit(found)
	}
	must(json.NewEncoder(os.Stdout).Encode(map[string]any{"roots": roots, "types": types}))
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func visit(of reflect.Type) string {
	name := strings.TrimPrefix(of.PkgPath(), "k8s.io/") + "." + of.Name()
	if _, seen := types[name]; seen {
		return name
	}
	types[name] = []field{}
	for i := range of.NumField() {
		each := of.Field(i)
		tag := strings.Split(each.Tag.Get("protobuf"), ",")
		if len(tag) < 2 {
			continue
		}
		number, err := strconv.Atoi(tag[1])
		must(err)
		options := strings.Split(each.Tag.Get("json"), ",")
		form := formOf(each.Type)
		isOmitted := len(options) > 1 && (options[1] == "omitempty" || options[1] == "omitzero" || options[1] == "inline")
		if each.Type.Kind() == reflect.Pointer || !isOmitted {
			form += "*"
		}
		types[name] = append(types[name], field{number, options[0], form})
	}
	return name
}

func formOf(of reflect.Type) string {
	_, isMessage := reflect.PointerTo(of).MethodByName("Unmarshal")
	switch of.Kind() {
	case reflect.Pointer:
		return formOf(of.Elem())
	case reflect.String:
		return "s"
	case reflect.Bool:
		return "b"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "i"
	case reflect.Float32, reflect.Float64:
		return "d"
	case reflect.Struct:
		return visit(of)
	case reflect.Map:
		return "{}" + formOf(of.Elem())
	case reflect.Slice:
		if of.Elem().Kind() == reflect.Uint8 {
			return "y"
		}
		if isMessage {
			return "L" + formOf(of.Elem())
		}
		return "[]" + formOf(of.Elem())
	}
	log.Fatalf("%v: a form that nobody thought of", of)
	return ""
}
