{{- define "simplechat.labels" -}}
app.kubernetes.io/name: simplechat
app.kubernetes.io/part-of: simplechat
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{ include "simplechat.instance" . }}
{{- end }}

{{- define "simplechat.instance" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "simplechat.image" -}}
image: {{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}

{{- define "simplechat.settings" -}}
PUBLIC_URL: {{ printf "https://%s" .Values.host | quote }}
# Only the ingress reaches the pods.
FORWARDED_ALLOW_IPS: "*"
LOG_FORMAT: json
PORT: "8000"
FILES_URL: {{ .Values.files.url | default "/files" | quote }}
GRACE: {{ .Values.grace | quote }}
{{- end }}

{{- define "simplechat.user" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "simplechat.confined" -}}
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
{{- end }}
