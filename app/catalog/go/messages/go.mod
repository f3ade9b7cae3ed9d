module example.com/{{project}}/{{part}}

go 1.19
{{broker}}{{driver}}