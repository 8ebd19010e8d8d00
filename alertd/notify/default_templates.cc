// The names that templates written for Alertmanager refer to, defined in our words.
//
// A file of a shop's own may redefine any of them. What they give looks as people who read
// Alertmanager's messages expect: "[FIRING:2] HighLoad ops (db critical)".

#include "alertd/notify/alertmanager_receivers.h"

namespace tocsin::notify {
namespace {

constexpr std::string_view kDefinitions = R"TEMPLATE(
{{- define "__alertmanager" }}Tocsin{{ end -}}
{{- define "__alertmanagerURL" -}}
{{ if .Incident.URL }}{{ .Incident.URL }}{{ else }}{{ .ExternalURL }}{{ end -}}
{{- end -}}

{{- define "__subject" -}}
[{{ toUpper .Status }}{{ if eq .Status "firing" }}:{{ len .Alerts.Firing }}{{ end }}]
{{- with .GroupLabels.SortedPairs.Values }} {{ join " " . }}{{ end -}}
{{- $rest := .CommonLabels.Remove .GroupLabels.Names -}}
{{- if len $rest }} ({{ join " " $rest.Values }}){{ end -}}
{{- end -}}

{{- define "__text_alert_list" -}}
{{ range . }}Labels:
{{ range .Labels.SortedPairs }} - {{ .Name }} = {{ .Value }}
{{ end }}{{ if len .Annotations }}Annotations:
{{ range .Annotations.SortedPairs }} - {{ .Name }} = {{ .Value }}
{{ end }}{{ end }}{{ with .GeneratorURL }}Source: {{ . }}
{{ end }}{{ end -}}
{{- end -}}

{{- define "__text_alert_list_markdown" -}}
{{ range . }}
Labels:
{{ range .Labels.SortedPairs }}  - {{ .Name }} = {{ .Value }}
{{ end }}
{{- if len .Annotations }}
Annotations:
{{ range .Annotations.SortedPairs }}  - {{ .Name }} = {{ .Value }}
{{ end }}{{ end }}
{{- with .GeneratorURL }}
Source: {{ . }}
{{ end }}{{ end -}}
{{- end -}}

{{- define "__both_lists" -}}
{{ if .Alerts.Firing }}Alerts Firing:
{{ template "__text_alert_list" .Alerts.Firing }}{{ end -}}
{{ if .Alerts.Resolved }}Alerts Resolved:
{{ template "__text_alert_list" .Alerts.Resolved }}{{ end -}}
{{- end -}}

{{- define "__both_lists_markdown" -}}
{{ if .Alerts.Firing }}
# Alerts Firing:
{{ template "__text_alert_list_markdown" .Alerts.Firing }}{{ end -}}
{{ if .Alerts.Resolved }}
# Alerts Resolved:
{{ template "__text_alert_list_markdown" .Alerts.Resolved }}{{ end -}}
{{- end -}}

{{- define "slack.default.title" }}{{ template "__subject" . }}{{ end -}}
{{- define "slack.default.username" }}{{ template "__alertmanager" . }}{{ end -}}
{{- define "slack.default.fallback" -}}
{{ template "slack.default.title" . }} | {{ template "slack.default.titlelink" . }}
{{- end -}}
{{- define "slack.default.callbackid" }}{{ end -}}
{{- define "slack.default.pretext" }}{{ end -}}
{{- define "slack.default.titlelink" }}{{ template "__alertmanagerURL" . }}{{ end -}}
{{- define "slack.default.iconemoji" }}{{ end -}}
{{- define "slack.default.iconurl" }}{{ end -}}
{{- define "slack.default.text" }}{{ end -}}
{{- define "slack.default.footer" }}{{ end -}}

{{- define "pagerduty.default.description" }}{{ template "__subject" . }}{{ end -}}
{{- define "pagerduty.default.client" }}{{ template "__alertmanager" . }}{{ end -}}
{{- define "pagerduty.default.clientURL" }}{{ template "__alertmanagerURL" . }}{{ end -}}
{{- define "pagerduty.default.instances" }}{{ template "__text_alert_list" . }}{{ end -}}

{{- define "opsgenie.default.message" }}{{ template "__subject" . }}{{ end -}}
{{- define "opsgenie.default.description" }}{{ .CommonAnnotations.SortedPairs.Values | join " " }}
{{ template "__both_lists" . }}{{ end -}}
{{- define "opsgenie.default.source" }}{{ template "__alertmanagerURL" . }}{{ end -}}

{{- define "pushover.default.title" }}{{ template "__subject" . }}{{ end -}}
{{- define "pushover.default.message" }}{{ .CommonAnnotations.SortedPairs.Values | join " " }}
{{ template "__both_lists" . }}{{ end -}}
{{- define "pushover.default.url" }}{{ template "__alertmanagerURL" . }}{{ end -}}

{{- define "victorops.default.state_message" -}}
{{ .CommonAnnotations.SortedPairs.Values | join " " }}
{{ template "__both_lists" . }}{{ end -}}
{{- define "victorops.default.entity_display_name" }}{{ template "__subject" . }}{{ end -}}
{{- define "victorops.default.monitoring_tool" }}{{ template "__alertmanager" . }}{{ end -}}

{{- define "telegram.default.message" }}{{ template "__both_lists" . }}{{ end -}}
{{- define "discord.default.content" }}{{ end -}}
{{- define "discord.default.title" }}{{ template "__subject" . }}{{ end -}}
{{- define "discord.default.message" }}{{ template "__both_lists" . }}{{ end -}}
{{- define "webex.default.message" }}{{ template "__both_lists" . }}{{ end -}}
{{- define "msteams.default.summary" }}{{ template "__subject" . }}{{ end -}}
{{- define "msteams.default.title" }}{{ template "__subject" . }}{{ end -}}
{{- define "msteams.default.text" }}{{ template "__both_lists_markdown" . }}{{ end -}}
{{- define "msteamsv2.default.title" }}{{ template "__subject" . }}{{ end -}}
{{- define "msteamsv2.default.text" }}{{ template "__both_lists_markdown" . }}{{ end -}}
{{- define "mattermost.default.title" }}{{ template "__subject" . }}{{ end -}}
{{- define "mattermost.default.text" }}{{ template "__both_lists_markdown" . }}{{ end -}}
{{- define "rocketchat.default.title" }}{{ template "__subject" . }}{{ end -}}
{{- define "rocketchat.default.alias" }}{{ template "__alertmanager" . }}{{ end -}}
{{- define "rocketchat.default.titlelink" }}{{ template "__alertmanagerURL" . }}{{ end -}}
{{- define "rocketchat.default.emoji" }}{{ end -}}
{{- define "rocketchat.default.iconurl" }}{{ end -}}
{{- define "rocketchat.default.text" }}{{ end -}}
{{- define "jira.default.summary" }}{{ template "__subject" . }}{{ end -}}
{{- define "jira.default.description" }}{{ template "__both_lists" . }}{{ end -}}
{{- define "jira.default.priority" }}{{ end -}}
{{- define "sns.default.subject" }}{{ template "__subject" . }}{{ end -}}
{{- define "sns.default.message" }}{{ template "__both_lists" . }}{{ end -}}
{{- define "wechat.default.message" }}{{ template "__subject" . }}
{{ template "__both_lists" . }}{{ end -}}
{{- define "wechat.default.to_user" }}{{ end -}}
{{- define "wechat.default.to_party" }}{{ end -}}
{{- define "wechat.default.to_tag" }}{{ end -}}

{{- define "email.default.subject" }}{{ template "__subject" . }}{{ end -}}
{{- define "__html_alerts" -}}
{{ range . }}<p>{{ range .Labels.SortedPairs }}<b>{{ .Name }}</b> = {{ .Value }}<br>{{ end }}
{{ range .Annotations.SortedPairs }}{{ .Name }}: {{ .Value }}<br>{{ end }}
{{ if match "^https?://" .GeneratorURL }}<a href="{{ .GeneratorURL }}">Source</a>{{ end }}</p>
{{ end -}}
{{- end -}}
{{- define "email.default.html" -}}
<!doctype html><html><body style="font-family:sans-serif;max-width:44em">
<h2>{{ template "__subject" . }}</h2>
{{ if .Alerts.Firing }}<h3>Firing: {{ len .Alerts.Firing }}</h3>
{{ template "__html_alerts" .Alerts.Firing }}{{ end }}
{{ if .Alerts.Resolved }}<h3>Resolved: {{ len .Alerts.Resolved }}</h3>
{{ template "__html_alerts" .Alerts.Resolved }}{{ end }}
<p><a href="{{ .ExternalURL }}">{{ template "__alertmanager" . }}</a></p>
</body></html>
{{ end -}}
)TEMPLATE";

}  // namespace

std::string_view default_template_definitions() {
  return kDefinitions;
}

}  // namespace tocsin::notify
